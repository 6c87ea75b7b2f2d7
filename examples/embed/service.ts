/** Troupe inside a service of one's own: an actor on main, next to whatever else the service does. */
import { defineHandler, done, startSupervisor, text, topic, type Supervisor } from 'troupe'

const texts = topic('texts', { value: text })
const counts = topic<{ words: number }>('word_counts')

export const countWords = defineHandler({
  input: texts,
  outputs: [counts],
  handle: (line, { record }) => done([counts.record({ words: line.split(/\s+/).length }, { key: record.key })]),
})

/** Resolves when the service reads its topic. `stop()` of what it returns drains and leaves the group. */
export async function startService(brokers: readonly string[]): Promise<Supervisor> {
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: 'word-counter' },
    actors: [{ name: 'count', handler: countWords, deadLetter: 'texts_dlq' }],
    http: { port: null }, // the service has a server of its own
  })
  return supervisor
}
