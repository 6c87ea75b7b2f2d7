// What contenders that keep state share: their topics, the positions of their groups, and what they have written.
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { countWritten } from '../../harness/log-count.mjs'

const lookMs = 50

export const outputOf = (group) => `${group}-out`

export class Written {
  #admin
  #before
  #inputs
  #task

  /**
   * Makes the topic of the outputs, with as many partitions as the input has, and others that the contender needs. `inputs`: all that it
   * reads, where that is more than one. `isFromEnd`: what stands in the input already is none of its inputs.
   */
  static async begin(task, { others = [], inputs = [task.topic], isFromEnd = false } = {}) {
    const { brokers, topic, group } = task
    const { Kafka, logLevel } = kafkajs
    const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING, retry: { retries: 20 } }).admin()
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const numPartitions = topics[0].partitions.length
    const made = [outputOf(group), ...others].map((name) => ({ topic: name, numPartitions }))
    await admin.createTopics({ topics: made, waitForLeaders: false })
    const ends = isFromEnd ? await admin.fetchTopicOffsets(topic) : []
    const before = ends.reduce((sum, { high }) => sum + Number(high), 0)
    return new Written(admin, task, inputs, numPartitions, before)
  }

  constructor(admin, task, inputs, partitions, before) {
    this.#admin = admin
    this.#before = before
    this.#inputs = inputs
    this.#task = task
    this.partitions = partitions
  }

  /** Records of the input that the group is through with. */
  async committed() {
    const topics = await this.#admin.fetchOffsets({ groupId: this.#task.group, topics: this.#inputs })
    const offsets = topics.flatMap(({ partitions }) => partitions.map(({ offset }) => Math.max(0, Number(offset))))
    return offsets.reduce((sum, offset) => sum + offset, 0)
  }

  /** Counts records as their positions are committed: what can be seen of programs that are not ours. */
  async watchPositions() {
    let counted = 0
    for (;;) {
      // There is no group yet, or its coordinator is loading.
      const committed = await this.committed().catch(() => 0)
      if (committed > counted) {
        this.#task.meter.count(committed - counted)
        counted = committed
      }
      await sleep(lookMs)
    }
  }

  /** Asked when the contender has ended. Nothing where the brokers' logs cannot be read. `read`: records that came in, where positions do not tell. */
  async perInput(read) {
    const { group, brokerFolders } = this.#task
    if (brokerFolders.length === 0) return {}
    const inputs = read ?? (await this.committed()) - this.#before
    const counts = countWritten(brokerFolders, group)
    const outputs = counts.get(outputOf(group)) ?? 0
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return { outputsPerInput: outputs / inputs, changelogPerInput: (all - outputs) / inputs }
  }
}
