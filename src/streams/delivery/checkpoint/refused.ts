/** Which handled records have outputs that the brokers refuse for good. */
import { TroupeError, describeError } from '../../../errors.ts'
import type { OutputRecord } from '../../record.ts'
import type { TransactionalProducer } from '../../transaction-port.ts'
import type { Refusal } from '../delivery.ts'
import type { Participant } from './participant.ts'

interface Tried {
  readonly participant: Participant
  readonly record: OutputRecord
  /** Of which handled record it is; null: of a key's state, whose changes are of many. */
  readonly source: string | null
  readonly isLetter: boolean
}

/** By participant, and by `topic/partition/offset`. Rejects with CHANGELOG_UNFIT when it is state that is refused. */
export async function findRefused(
  producer: Pick<TransactionalProducer, 'tryRecords'>,
  participants: readonly Participant[],
): Promise<ReadonlyMap<Participant, ReadonlyMap<string, Refusal>>> {
  const tried = participants.flatMap((participant): Tried[] => {
    const { frozen, owner } = participant
    const outputs = (frozen?.generation.records ?? []).map((record, at) => ({
      ...{ participant, record, source: frozen?.generation.sources[at]?.id ?? null },
      isLetter: frozen?.generation.letterPlaces.has(at) === true,
    }))
    const state = [...(owner.state?.frozenRecords() ?? [])].map((record) => ({
      ...{ participant, record, source: null, isLetter: false },
    }))
    return [...outputs, ...state]
  })
  const results = await producer.tryRecords(tried.map(({ record }) => record))
  const refused = new Map<Participant, Map<string, Refusal>>()
  for (const [at, { isLetter, participant, record, source }] of tried.entries()) {
    const result = results[at] ?? null
    if (result === null) continue
    if (source === null) {
      const message = `the changelog ${record.topic} refuses a record of ${record.value?.byteLength ?? 0} bytes: ${describeError(result)}`
      throw new TroupeError('CHANGELOG_UNFIT', message, { cause: result })
    }
    const refusals = refused.get(participant) ?? new Map<string, Refusal>()
    refused.set(participant, refusals.set(source, { error: result, isOfLetter: isLetter }))
  }
  return refused
}
