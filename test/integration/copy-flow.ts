/**
 * One pipeline of members that copy: its topics and group, what is put in, what has come out. All that it says is read
 * back from Kafka by a client that is not ours.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { headerText, uniqueName, type KafkaProbe, type NewRecord, type ReadRecord } from '../support/kafka-probe.ts'
import { balanceLedger, findBrokenStretches, type LedgerBalance } from '../support/ledger.ts'
import { readPartition } from '../support/partition-reader.ts'

export interface CopyFlowOptions {
  /** Default 4. */
  readonly partitions?: number
  /** Of the input topic. */
  readonly config?: Readonly<Record<string, string>>
  /** For its members. */
  readonly env?: Readonly<Record<string, string>>
}

export interface FlowBalance extends LedgerBalance {
  /** Places where a repetition is not a stretch in order. */
  readonly broken: number
  /** Outputs beyond the first of each input. */
  readonly repeats: number
}

/** Records `{ n, … }` with keys taken in turn. */
export function keyed(count: number, value: (n: number) => object = () => ({}), keys = 97, from = 0): NewRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const n = from + index
    return { key: String(n % keys), value: JSON.stringify({ n, ...value(n) }) }
  })
}

/** A dead letter, and the `topic/partition/offset` of the record it was. */
export interface DeadLetter {
  readonly id: string
  readonly record: ReadRecord
}

const idOf = (record: ReadRecord): string => `${record.topic}/${record.partition}/${record.offset}`

/** `topic/partition/offset` of the input an output was made from. */
export const causeOf = (record: ReadRecord): string => (headerText(record, 'troupe-id') ?? '').replace(/\/0$/, '')

/** undefined for those that kill nobody, and for what is no JSON. */
function killOf({ value }: ReadRecord): string | undefined {
  try {
    return (JSON.parse(String(value)) as { kill?: string }).kill
  } catch {
    return undefined
  }
}

export class CopyFlow {
  readonly group: string
  readonly input: string
  readonly output: string
  readonly deadLetters: string
  /** For `MemberProcess.start`. */
  readonly env: Readonly<Record<string, string>>
  readonly #probe: KafkaProbe
  readonly #outputs = new Map<number, { position: number | undefined; records: ReadRecord[] }>()
  readonly #caused = new Set<string>()
  #partitions: readonly number[] = []
  #look: Promise<void> = Promise.resolve()

  private constructor(probe: KafkaProbe, name: string, env: Readonly<Record<string, string>>) {
    this.#probe = probe
    this.group = name
    this.input = `${name}-in`
    this.output = `${name}-out`
    this.deadLetters = `${name}-dlq`
    this.env = {
      BROKERS: probe.bootstrapServers,
      GROUP: this.group,
      INPUT_TOPIC: this.input,
      OUTPUT_TOPIC: this.output,
      DEAD_LETTER_TOPIC: this.deadLetters,
      ...env,
    }
  }

  static async make(probe: KafkaProbe, name: string, options: CopyFlowOptions = {}): Promise<CopyFlow> {
    const { partitions = 4, config = {}, env = {} } = options
    const flow = new CopyFlow(probe, uniqueName(name), env)
    await probe.createTopic(flow.input, partitions, config)
    await probe.createTopic(flow.output, partitions)
    await probe.createTopic(flow.deadLetters, 1)
    flow.#partitions = Array.from({ length: partitions }, (_, partition) => partition)
    return flow
  }

  async put(records: readonly NewRecord[]): Promise<void> {
    try {
      await this.#probe.produceAll(this.input, records)
    } catch (error) {
      await this.#probe.renewProducer()
      throw error
    }
  }

  async countInputs(): Promise<number> {
    const ends = await this.#probe.endOffsets(this.input)
    return ends.reduce((sum, end) => sum + end, 0)
  }

  /** How many different inputs have an output by now. Reads only what is new, one look at a time. */
  async countHandled(): Promise<number> {
    this.#look = this.#look.catch(() => undefined).then(() => this.#readOutputs())
    await this.#look
    return this.#caused.size
  }

  async #readOutputs(): Promise<void> {
    await Promise.all(
      this.#partitions.map(async (partition) => {
        const known = this.#outputs.get(partition) ?? { position: undefined, records: [] }
        this.#outputs.set(partition, known)
        const at = { topic: this.output, partition }
        const read = await readPartition(this.#probe.kafka, at, known.position, 'read_committed', Date.now() + 120_000)
        known.position = read.position
        for (const record of read.records) {
          known.records.push(record)
          this.#caused.add(causeOf(record))
        }
      }),
    )
  }

  /** Waits until this many different inputs have an output. */
  async handled(count: number, timeoutMs = 120_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const known = await this.countHandled()
      if (known >= count) return
      if (Date.now() > deadline) throw new Error(`${known} inputs have an output, not ${count}, after ${timeoutMs} ms`)
      await sleep(50)
    }
  }

  /** What has come out as of the last look, each partition in its order. */
  get outputs(): readonly ReadRecord[] {
    return [...this.#outputs.values()].flatMap(({ records }) => records)
  }

  /** Inputs that count; dead-lettered ones have no output. */
  async readInputs(isDead: (id: string) => boolean = () => false): Promise<{ id: string; key: string }[]> {
    const inputs = await this.#probe.readAll(this.input, { timeoutMs: 120_000 })
    return inputs.map((record) => ({ id: idOf(record), key: String(record.key) })).filter(({ id }) => !isDead(id))
  }

  /** Inputs that end or hold their thread, by id, and how. */
  async readKillers(): Promise<Map<string, string>> {
    const inputs = await this.#probe.readAll(this.input, { timeoutMs: 120_000 })
    const kinds = inputs.map((record) => [idOf(record), killOf(record)] as const)
    return new Map(kinds.flatMap(([id, kind]) => (kind === undefined ? [] : [[id, kind]])))
  }

  async readDeadLetters(): Promise<DeadLetter[]> {
    const from = ['troupe.topic', 'troupe.partition', 'troupe.offset']
    const letters = await this.#probe.readAll(this.deadLetters)
    return letters.map((record) => ({ id: from.map((name) => headerText(record, name)).join('/'), record }))
  }

  async balance(isDead?: (id: string) => boolean): Promise<FlowBalance> {
    const inputs = await this.readInputs(isDead)
    await this.countHandled()
    const outputs = this.outputs.map((record) => ({ id: causeOf(record) }))
    const balance = balanceLedger(inputs, outputs)
    const repeats = [...balance.duplicates.values()].reduce((sum, times) => sum + times - 1, 0)
    return { ...balance, repeats, broken: findBrokenStretches(inputs, outputs).length }
  }

  async committedTotal(): Promise<number> {
    const committed = await this.#probe.committedOffsets(this.group, this.input)
    return committed.reduce((sum, { position }) => sum + (position ?? 0), 0)
  }
}
