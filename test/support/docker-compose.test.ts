import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { makeBrokerSettings } from '../../scripts/kafka/settings.mjs'

it('docker-compose.yml gives Kafka the settings that tests run with', () => {
  const compose = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')
  const inCompose = new Map(
    [...compose.matchAll(/^ +KAFKA_(\w+): '?([^'\n]*)'?$/gm)].map(([, name, value]) => [toProperty(name!), value!]),
  )
  const place = { id: 1, host: 'localhost', port: 1, internalPort: 2, controllerPort: 3, folder: '/data' }
  const ours = new Map(Object.entries(makeBrokerSettings(place, [place], { protocol: 'PLAINTEXT', extra: {} })))
  // Where things are, and what only a broker that shares a small machine needs.
  const differs =
    /listeners|log\.dirs|quorum\.voters|^broker\.|inter\.broker|^num\.(io|network)\.threads|dedupe\.buffer/
  const relevant = [...ours].filter(([name]) => !differs.test(name))
  expect(relevant.length).toBeGreaterThan(15)
  expect([...inCompose].filter(([name]) => !differs.test(name)).sort()).toEqual(relevant.sort())
})

function toProperty(name: string): string {
  return name.toLowerCase().replaceAll('_', '.')
}
