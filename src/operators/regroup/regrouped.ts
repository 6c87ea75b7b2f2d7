/**
 * An operator behind its front: the same, reading the repartition topic that the front writes. Its records say themselves when
 * they are and how far their source has come, in a header that it does not see.
 */
import { bytes, json, type Codec } from '../../streams/flows/codec.ts'
import type { Contract, Place } from '../../streams/flows/contract.ts'
import { topic, type Topic } from '../../streams/flows/flow.ts'
import type { Front, Operator, TakenRecord } from '../operator.ts'
import { groupKey } from './group-key.ts'
import { readSourceNote } from './source-header.ts'

/** One that has a front. */
export type Fronted = Operator & { readonly front: Front }

export function isFronted(operator: Operator): operator is Fronted {
  return operator.front !== undefined
}

export function frontName(actor: string): string {
  return `${actor}-front`
}

export function repartitionTopic(groupId: string, actor: string): string {
  return `${groupId}-${actor}-repartition`
}

/** As its front writes it. */
export function writtenTopic({ front }: Fronted, name: string): Topic<unknown, string, unknown> {
  const key = { key: front.by === undefined ? bytes : (front.byCodec ?? groupKey) } as { readonly key: Codec<unknown> }
  if (front.prepare === undefined) {
    // As it came, a tombstone too: nothing is encoded anew.
    return topic<unknown, string, unknown>(name, { ...key, value: bytes, tombstones: true })
  }
  return topic<unknown, string, unknown>(name, { ...key, value: front.preparedCodec ?? json<unknown>() })
}

/** The operator as it reads that. */
export function regrouped(operator: Fronted, name: string): Operator {
  const { front, inputs, what, outputs, states, idleAfterMs } = operator
  const [input, ...others] = inputs
  const written = writtenTopic(operator, name)
  const first: Topic<unknown, string, unknown> = {
    ...written,
    key: front.by === undefined ? placed(input?.key, { topic: input?.name ?? '', part: 'key' }) : written.key,
    ...(front.prepare === undefined && input !== undefined
      ? { value: placed(input.value, { topic: input.name, part: 'value' }), tombstones: input.tombstones }
      : {}),
  }
  return {
    kind: 'operator',
    what,
    ...(operator.name === undefined ? {} : { name: operator.name }),
    inputs: [first, ...others],
    outputs,
    states,
    // Its front has looked.
    maxAdvanceMs: null,
    idleAfterMs,
    sourceTimeOf: ({ headers }) => readSourceNote(headers)?.said.streamTimeMs ?? -1,
    take: (record, kept, at) => operator.take(at === 0 ? asItWas(record) : record, kept, at),
    due: (key, kept) => operator.due(key, kept),
    giveUp: (timer, kept) => operator.giveUp?.(timer, kept),
  }
}

function asItWas(taken: TakenRecord): TakenRecord {
  const { headers } = taken.record
  const note = readSourceNote(headers)
  if (note?.kind !== 'record') return taken
  const { isFarFuture, streamTimeMs, timeMs } = note.said
  const record = { ...taken.record, timestamp: timeMs, headers: headers.slice(0, -1) }
  return { ...taken, record, timeMs, sourceTimeMs: streamTimeMs, isFarFuture }
}

/** The same codec, at work as in this place, wherever its bytes are. */
function placed<Bound extends Codec<unknown> | undefined>(codec: Bound, place: Place): Bound {
  const contract = codec?.contract
  if (codec === undefined || contract === undefined) return codec
  const there: Contract<unknown> = {
    ...(contract.cannotWrite === undefined ? {} : { cannotWrite: contract.cannotWrite }),
    subjectsAt: () => contract.subjectsAt(place),
    bind: (_, schemas) => contract.bind(place, schemas),
  }
  return { ...codec, contract: there }
}
