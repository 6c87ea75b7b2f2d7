import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from 'troupe/embedded'
import { registerSchema } from '../pipeline/registry.ts'
import { createFakeClicks } from './fake-clicks.ts'
import { avroClicks } from './formats.ts'

let registry: EmbeddedSchemaRegistry
beforeAll(async () => {
  registry = await startEmbeddedSchemaRegistry()
  await avroClicks.register(registry.url)
})
afterAll(() => registry.stop())

test('good clicks are Avro that names its schema; what does not fit the schema stays as it came', async () => {
  const answer = await fetch(`${registry.url}/subjects/user_clicks-value/versions/latest`)
  const { id, schema } = (await answer.json()) as { id: number; schema: string }
  expect(JSON.parse(schema)).toMatchObject(JSON.parse(readFileSync('schemas/click.avsc', 'utf8')) as object)
  const makeClick = createFakeClicks({ seed: 1, brokenShare: 0.2, now: Date.now })
  for (let count = 0; count < 1_000; count += 1) {
    const made = makeClick()
    const { value } = avroClicks.write(made)
    if (made.flaw === undefined) {
      expect(value?.readUInt8(0)).toBe(0)
      expect(value?.readInt32BE(1)).toBe(id)
    } else if (value?.[0] !== 0) {
      expect(value).toEqual(made.value)
    }
  }
})

test('a registry that refuses a schema is told with its own words; one that is away by its address, without the password', async () => {
  const refused = registerSchema(registry.url, 'user_clicks-value', { type: 'record', name: 'Other', fields: [] })
  await expect(refused).rejects.toThrow(/refuses user_clicks-value: 4\d\d .*/)
  const server: Server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  const away = registerSchema(`http://me:secret@127.0.0.1:${port}`, 'a', {})
  await expect(away).rejects.toThrow(`no schema registry answers at http://127.0.0.1:${port} (SCHEMA_REGISTRY_URL`)
})
