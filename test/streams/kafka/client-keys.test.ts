import { expect, test } from 'vitest'
import { maskClientConfig, ownedClientKeys } from '../../../src/streams/kafka/client-keys.ts'

test('secrets of the client configuration are masked, and nothing else', () => {
  const masked = maskClientConfig({
    'security.protocol': 'sasl_ssl',
    'sasl.username': 'alice',
    'sasl.password': 'p',
    'ssl.key.password': 'p',
    'ssl.keystore.password': 'p',
    'ssl.key.pem': 'p',
    'ssl.certificate.pem': 'p',
    'ssl.ca.location': '/ca.pem',
    'sasl.oauthbearer.client.secret': 'p',
    'sasl.oauthbearer.config': 'p',
    oauthbearer_token_refresh_cb: () => 'p',
    'fetch.min.bytes': 1,
  })
  expect(masked).toEqual({
    'security.protocol': 'sasl_ssl',
    'sasl.username': 'alice',
    'sasl.password': '***',
    'ssl.key.password': '***',
    'ssl.keystore.password': '***',
    'ssl.key.pem': '***',
    'ssl.certificate.pem': '***',
    'ssl.ca.location': '/ca.pem',
    'sasl.oauthbearer.client.secret': '***',
    'sasl.oauthbearer.config': '***',
    oauthbearer_token_refresh_cb: '***',
    'fetch.min.bytes': 1,
  })
})

test('each key of the engine says why it is refused', () => {
  expect(ownedClientKeys.size).toBeGreaterThan(30)
  for (const [key, reason] of ownedClientKeys) expect([key, reason.length > 10]).toEqual([key, true])
})
