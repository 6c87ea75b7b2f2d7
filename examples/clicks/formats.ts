/** How clicks look in Kafka, to the generator and to the accounts. */
import avsc from 'avsc'
import type { App } from 'troupe'
import { clickSchema } from '../../schemas/click.ts'
import { registerSchema } from '../pipeline/registry.ts'
import { enrichedClickSchema } from './avro/flows.ts'
import type { FakeClick } from './fake-clicks.ts'
import { clicks, enrichedClicks } from './flows.ts'

export interface ClickFormat {
  readonly loadApp: () => Promise<App>
  /** A made-up click, as it is produced. */
  readonly write: (click: FakeClick) => FakeClick
  /** An enriched click, as JSON. */
  readonly read: (value: Buffer) => string
}

export const jsonClicks: ClickFormat = {
  loadApp: async () => (await import('./clicks.ts')).default,
  write: (click) => click,
  read: (value) => value.toString(),
}

/** A byte that is 0, and the schema's id in four. */
const HEADER_BYTES = 5

/** By `avsc` itself and the registry's REST API, not by Troupe: the accounts must not rest on what they check. */
export const avroClicks: ClickFormat & {
  /** Registers both schemas. Before it, nothing can be written. */
  readonly register: (registryUrl: string) => Promise<void>
} = (() => {
  const click = avsc.Type.forSchema(clickSchema as unknown as avsc.Schema)
  const enriched = avsc.Type.forSchema(enrichedClickSchema as unknown as avsc.Schema)
  const header = Buffer.alloc(HEADER_BYTES)
  return {
    async register(registryUrl) {
      header.writeInt32BE(await registerSchema(registryUrl, `${clicks.name}-value`, clickSchema), 1)
      await registerSchema(registryUrl, `${enrichedClicks.name}-value`, enrichedClickSchema)
    },
    loadApp: async () => (await import('./avro/clicks.ts')).default,
    write(made) {
      const fields = made.value === null ? undefined : parse(made.value)
      // What does not fit the schema stays as it is: bytes that are no Avro.
      return click.isValid(fields) ? { ...made, value: Buffer.concat([header, click.toBuffer(fields)]) } : made
    },
    read: (value) => JSON.stringify(enriched.fromBuffer(value.subarray(HEADER_BYTES))),
  }
})()

/** undefined: it is no JSON in UTF-8. */
function parse(value: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return undefined
  }
}
