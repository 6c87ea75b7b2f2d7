/** How records look in Kafka, to the generator and to the accounts: JSON, or Avro by `--avro`. */
import avsc from 'avsc'
import type { App } from 'troupe'
import { registerSchema } from './registry.ts'

export interface Format {
  readonly loadApp: () => Promise<App>
  /** A made-up record, as it is produced. */
  readonly write: <Made extends { readonly value: Buffer | null }>(made: Made) => Made
  /** What came out, as JSON. */
  readonly read: (value: Buffer) => string
}

export interface AvroFormat extends Format {
  /** Registers all schemas. Before it, nothing can be written. */
  readonly register: (registryUrl: string) => Promise<void>
}

interface Contract {
  readonly topic: string
  readonly schema: object
}

/** A byte that is 0, and the schema's id in four. */
const HEADER_BYTES = 5

export function jsonFormat(loadApp: Format['loadApp']): Format {
  return { loadApp, write: (made) => made, read: (value) => value.toString() }
}

/** By `avsc` itself and the registry's REST API, not by Troupe: the accounts must not rest on what they check. */
export function avroFormat(
  [input, output, ...others]: readonly [input: Contract, output: Contract, ...others: Contract[]],
  loadApp: Format['loadApp'],
): AvroFormat {
  const written = avsc.Type.forSchema(input.schema as avsc.Schema)
  const read = avsc.Type.forSchema(output.schema as avsc.Schema)
  const header = Buffer.alloc(HEADER_BYTES)
  return {
    loadApp,
    async register(registryUrl) {
      const register = async ({ topic, schema }: Contract): Promise<number> =>
        await registerSchema(registryUrl, `${topic}-value`, schema)
      header.writeInt32BE(await register(input), 1)
      for (const contract of [output, ...others]) await register(contract)
    },
    write(made) {
      const fields = made.value === null ? undefined : parse(made.value)
      // What does not fit the schema stays as it is: bytes that are no Avro.
      return written.isValid(fields) ? { ...made, value: Buffer.concat([header, written.toBuffer(fields)]) } : made
    },
    read: (value) => JSON.stringify(read.fromBuffer(value.subarray(HEADER_BYTES))),
  }
}

/** undefined: it is no JSON in UTF-8. */
function parse(value: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return undefined
  }
}
