/** How records look in Kafka, to the generator and to the accounts: JSON, or Avro by `--avro`. */
import avsc from 'avsc'
import type { App } from 'troupe'
import { decimalType } from './decimal-type.ts'
import { registerSchema } from './registry.ts'

export interface Format {
  readonly loadApp: () => Promise<App>
  /** A made-up record, as it is produced. */
  readonly write: <Made extends { readonly value: Buffer | null }>(made: Made) => Made
  /** A value as JSON. Throws where it is none. */
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
  [input, ...others]: readonly [input: Contract, ...others: Contract[]],
  loadApp: Format['loadApp'],
): AvroFormat {
  const written = typeOf(input)
  const header = Buffer.alloc(HEADER_BYTES)
  const typesById = new Map<number, avsc.Type>()
  return {
    loadApp,
    async register(registryUrl) {
      for (const contract of [input, ...others]) {
        const id = await registerSchema(registryUrl, `${contract.topic}-value`, contract.schema)
        typesById.set(id, typeOf(contract))
        if (contract === input) header.writeInt32BE(id, 1)
      }
    },
    write(made) {
      const fields = made.value === null ? undefined : parse(made.value)
      // What does not fit the schema stays as it is: bytes that are no Avro.
      return written.isValid(fields) ? { ...made, value: Buffer.concat([header, written.toBuffer(fields)]) } : made
    },
    read(value) {
      const type = value.readUInt8(0) === 0 ? typesById.get(value.readInt32BE(1)) : undefined
      if (type === undefined) throw new Error('no Avro of a schema that was registered')
      return JSON.stringify(type.fromBuffer(value.subarray(HEADER_BYTES)))
    },
  }
}

/** Decimals are text; instants are milliseconds, as they stand there. */
function typeOf({ schema }: Contract): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { logicalTypes: { decimal: decimalType } })
}

/** undefined: it is no JSON in UTF-8. */
function parse(value: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return undefined
  }
}
