import { describe, expect, test } from 'vitest'
import { StartWatch, classifyStartLog } from '../../../src/streams/kafka/start-errors.ts'

const fail = (message: string): { severity: number; fac: string; message: string } => ({
  severity: 3,
  fac: 'FAIL',
  message,
})

const lines = {
  refused:
    '[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)',
  unknownHost:
    "[thrd:no-host:9092/bootstrap]: no-host:9092/bootstrap: Failed to resolve 'no-host:9092': Name or service not known (after 0ms in state CONNECT)",
  password:
    '[thrd:sasl_plaintext://k:9092/bootstrap]: sasl_plaintext://k:9092/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 308ms in state AUTH_REQ)',
  mechanism:
    "[thrd:sasl_ssl://k:9092/bootstrap]: sasl_ssl://k:9092/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512 (after 302ms in state AUTH_HANDSHAKE)",
  noSasl:
    "[thrd:sasl_plaintext://k:9092/bootstrap]: sasl_plaintext://k:9092/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)",
  wrongCa:
    '[thrd:ssl://k:9092/bootstrap]: ssl://k:9092/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified (after 140ms in state SSL_HANDSHAKE)',
  noTls:
    '[thrd:ssl://k:9092/bootstrap]: ssl://k:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? (after 0ms in state SSL_HANDSHAKE)',
  noTlsBriefly:
    '[thrd:ssl://k:9092/bootstrap]: ssl://k:9092/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state SSL_HANDSHAKE)',
  hungUp:
    '[thrd:k:9092/bootstrap]: k:9092/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 36ms in state APIVERSION_QUERY)',
  web: '[thrd:k:80/bootstrap]: k:80/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): increase receive.message.max.bytes (after 0ms in state APIVERSION_QUERY)',
}

describe('what the log says of a connection', () => {
  test.each([
    ['refused', 'BROKER_UNREACHABLE', '127.0.0.1:1'],
    ['unknownHost', 'BROKER_UNREACHABLE', 'no-host:9092'],
    ['password', 'BROKER_AUTHENTICATION', 'k:9092'],
    ['mechanism', 'BROKER_AUTHENTICATION', 'k:9092'],
    ['noSasl', 'BROKER_PROTOCOL', 'k:9092'],
    ['wrongCa', 'BROKER_TLS', 'k:9092'],
    ['noTls', 'BROKER_PROTOCOL', 'k:9092'],
    ['noTlsBriefly', 'BROKER_PROTOCOL', 'k:9092'],
    ['hungUp', 'BROKER_PROTOCOL', 'k:9092'],
    ['web', 'BROKER_PROTOCOL', 'k:80'],
  ] as const)('%s: %s at %s', (line, code, broker) => {
    expect(classifyStartLog(fail(lines[line]))).toMatchObject({ code, broker })
  })

  test('the words of the client, without where and when', () => {
    expect(classifyStartLog(fail(lines.refused))?.detail).toBe('Connect to ipv4#127.0.0.1:1 failed: Connection refused')
  })

  test('lines about something else say nothing', () => {
    expect(classifyStartLog({ severity: 6, fac: 'GETPID', message: 'SASL' })).toBeUndefined()
    expect(classifyStartLog(fail('[thrd:main]: 2/2 brokers are down'))).toBeUndefined()
  })
})

describe('when waiting is of no use', () => {
  const watchAfter = (...noted: readonly string[]): StartWatch => {
    const watch = new StartWatch(['127.0.0.1:1', '127.0.0.1:2'], 0)
    for (const line of noted) watch.note(fail(line))
    return watch
  }
  const otherBroker = lines.refused.replaceAll('127.0.0.1:1', '127.0.0.1:2')

  test('a password refused twice', () => {
    expect(watchAfter(lines.password).isHopeless(1)).toBe(false)
    expect(watchAfter(lines.password, lines.password).isHopeless(1)).toBe(true)
  })

  test('nobody listening at any address for some seconds', () => {
    expect(watchAfter(lines.refused, otherBroker).isHopeless(1000)).toBe(false)
    expect(watchAfter(lines.refused).isHopeless(60_000)).toBe(false)
    expect(watchAfter(lines.refused, otherBroker).isHopeless(5000)).toBe(true)
  })

  test('the error names the cause that somebody can correct, the broker and what to do', () => {
    const error = watchAfter(lines.password, lines.refused).error(1000)
    expect(error.code).toBe('BROKER_AUTHENTICATION')
    expect(error.message).toMatch(/k:9092 refused the log-in: .*invalid credentials.*sasl\.password/)
    expect(watchAfter(lines.wrongCa, lines.noTlsBriefly).error(1000).code).toBe('BROKER_TLS')
    // The client says it in full once, and then in short.
    expect(watchAfter(lines.noTls, lines.noTlsBriefly).error(1000).message).toMatch(/PLAINTEXT broker listener/)
    expect(watchAfter().error(15_000).message).toBe('No Kafka broker answered within 15 s: 127.0.0.1:1, 127.0.0.1:2.')
  })
})
