/** What stands in changelogs, in the words of the journal. */
import { readEntryKey, decodeMeta } from '../../../src/state/changelog-format.ts'
import { StateValue } from '../../../src/state/state-value.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { entry } from '../checker.ts'
import { placeName, type PartitionPlace, type StateCommit, type StateEntry } from '../journal.ts'
import type { World } from '../world.ts'

type Topics = Pick<World, 'topics' | 'state'>

function changelogName(at: number): string {
  return `group-actor-${at}-changelog`
}

/** Of the partitions of inputs, where they keep state. */
export function changelogsOf(
  { state, topics }: Topics,
  places: readonly PartitionPlace[],
): readonly { readonly topic: string; readonly place: PartitionPlace }[] {
  if (state === undefined) return []
  return places.map((place) => ({ topic: changelogName(topics.findIndex(({ name }) => name === place.topic)), place }))
}

/** Of all these records, what belongs to changelogs: each key's last value. */
export function stateCommits(records: readonly SourceRecord[], { state, topics }: Topics): StateCommit[] {
  if (state === undefined) return []
  const inputs = new Map(topics.map(({ name }, at) => [changelogName(at), name]))
  const commits = new Map<string, Writable>()
  for (const { key, partition, topic: changelog, value } of records) {
    const topic = inputs.get(changelog)
    if (topic === undefined || key === null) continue
    const place = { topic, partition }
    const commit = entry(commits, placeName(place), () => ({ place, meta: null, values: new Map() }))
    const found = readEntryKey(key)
    if (found?.kind === 'meta') commit.meta = value
    if (found?.kind !== 'state') continue
    const name = Buffer.from(found.key).toString('utf8')
    const read = value === null ? null : (JSON.parse(Buffer.from(StateValue.read(value).payload).toString()) as unknown)
    commit.values.set(`${found.name} ${name}`, { state: found.name, key: name, value: read })
  }
  return [...commits.values()].map(({ meta, place, values }) => {
    const { checkpoint, streamTime } = meta === null ? { checkpoint: null, streamTime: null } : decodeMeta(meta)
    return { ...place, checkpoint, streamTime, values: [...values.values()] }
  })
}

interface Writable {
  readonly place: PartitionPlace
  meta: Uint8Array | null
  readonly values: Map<string, StateEntry>
}
