/**
 * A group of real members under load while things go wrong, and the accounts at the end. What is random comes from one
 * seed, and happens after so many outputs rather than after so much time: `SEED=… npm run chaos` plays it again as far
 * as a real cluster can be played again.
 */
import { expect } from 'vitest'
import { Random } from '../../src/testing/random.ts'
import { CopyFlow, causeOf, type CopyFlowOptions, type FlowBalance } from '../integration/copy-flow.ts'
import type { Killer } from '../integration/killers.ts'
import { Load, type LoadOptions } from '../integration/load.ts'
import { MemberProcess } from '../integration/member-process.ts'
import { headerText, type KafkaProbe } from '../support/kafka-probe.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000))

/** Members fall out of the group soon after they have gone. */
export const kafkaOptions = {
  classic: { sessionTimeoutMs: 6_000, client: { 'heartbeat.interval.ms': 500 } },
  consumer: { groupProtocol: 'consumer' },
}
export type Protocol = keyof typeof kafkaOptions

export interface ChaosOptions extends CopyFlowOptions {
  readonly protocol?: Protocol
  readonly load?: LoadOptions
  /** Of each stretch of so many records one ends or holds its thread: these kinds in turn, anywhere in the stretch. */
  readonly killers?: { readonly kinds: readonly Killer[]; readonly stretch: number }
  /** Where brokers or the network fail, members may repeat that have had no fault of their own. */
  readonly everybodyMayRepeat?: boolean
  /** What a member of this name has of its own. */
  readonly memberEnv?: (name: string) => Readonly<Record<string, string>>
}

export interface Accounts extends FlowBalance {
  readonly inputs: number
}

export class ChaosGroup {
  readonly flow: CopyFlow
  readonly load: Load
  readonly random: Random
  readonly members = new Map<string, MemberProcess>()
  readonly #name: string
  readonly #options: ChaosOptions
  readonly #startedAtMs = performance.now()
  /** Members that were killed or frozen. */
  readonly #faulty = new Set<string>()
  #count = 0

  private constructor(name: string, flow: CopyFlow, options: ChaosOptions) {
    this.flow = flow
    this.#name = name
    this.#options = options
    this.random = new Random(seed).fork(name)
    this.load = new Load(flow, { isTolerant: true, more: (n) => this.#killerAt(n), ...options.load })
    console.log(`${name}: SEED=${seed}`)
  }

  static async begin(probe: KafkaProbe, name: string, options: ChaosOptions = {}): Promise<ChaosGroup> {
    const { protocol = 'classic' } = options
    const env = {
      KAFKA_OPTIONS: JSON.stringify(kafkaOptions[protocol]),
      LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'warn',
      ...options.env,
    }
    const flow = await CopyFlow.make(probe, 'chaos', { partitions: 6, ...options, env })
    return new ChaosGroup(name, flow, options)
  }

  /** Starts a member under a name of its own, or under one that is free again. */
  async start(name = `m${++this.#count}`): Promise<string> {
    const own = this.#options.memberEnv?.(name) ?? {}
    this.members.set(name, await MemberProcess.start({ ...this.flow.env, MEMBER: name, ...own }))
    return name
  }

  pick(): string {
    return this.random.pick([...this.members.keys()])
  }

  /** Ends it in order. It has to end well. */
  async stop(name: string): Promise<void> {
    const member = this.#take(name)
    expect(await member.stop()).toEqual({ reason: 'stopped', code: 0 })
  }

  async kill(name: string): Promise<void> {
    this.#faulty.add(name)
    await this.#take(name).kill()
  }

  freeze(name: string): void {
    this.#faulty.add(name)
    this.members.get(name)!.freeze()
  }

  wake(name: string): void {
    this.members.get(name)!.wake()
  }

  /** Waits until some hundred more records have come out: how many says the seed. */
  async progress(most = 1_500): Promise<void> {
    await this.load.progress(this.random.integer(100, most), 180_000)
  }

  /** Puts no more; resolves when all records but the killers have come out, and all are committed. Returns their number. */
  async finished(): Promise<number> {
    const count = await this.load.end(240_000)
    await expect.poll(() => this.flow.committedTotal(), { timeout: 60_000, interval: 200 }).toBe(count)
    return count
  }

  /** The end, and what it cost. Nothing may be lost or out of order. */
  async settle(): Promise<Accounts> {
    const count = await this.finished()
    const seconds = (performance.now() - this.#startedAtMs) / 1000
    for (const name of [...this.members.keys()]) await this.stop(name)
    const killers = await this.flow.readKillers()
    const balance = await this.flow.balance((id) => killers.has(id))
    this.#explain(balance, count / seconds)
    expect(balance.lost).toEqual([])
    expect(balance.unexpected).toEqual([])
    expect(balance.orderViolations).toEqual([])
    return balance
  }

  async end(): Promise<void> {
    await this.load.cancel()
    for (const member of this.members.values()) await member.kill()
  }

  /** Says how many records came out twice, and through whose fault; a repetition that nobody's fault explains is an error. */
  #explain(balance: FlowBalance, rate: number): void {
    const { ahead = 2_000 } = this.#options.load ?? {}
    const writers = new Map<string, Set<string>>()
    for (const record of this.flow.outputs) {
      const id = causeOf(record)
      if (!balance.duplicates.has(id)) continue
      writers.set(id, (writers.get(id) ?? new Set()).add(headerText(record, 'member') ?? '?'))
    }
    const isExplained = (names: ReadonlySet<string>): boolean =>
      this.#options.everybodyMayRepeat === true || [...names].some((name) => this.#faulty.has(name))
    const unexplained = [...writers].filter(([, names]) => !isExplained(names)).map(([id]) => id)
    const bound = Math.round(ahead + 500 + 0.2 * rate)
    console.log(
      `${this.#name}: ${balance.inputs} records, ${Math.round(rate)}/s, lost ${balance.lost.length}, ` +
        `out of order ${balance.orderViolations.length}, repeated ${balance.repeats} ` +
        `(killed or frozen: ${[...this.#faulty].join(', ') || 'nobody'}; ` +
        `for each at most what was in flight and 200 ms: ${bound})`,
    )
    expect(unexplained).toEqual([])
  }

  #killerAt(n: number): object {
    if (this.#options.killers === undefined) return {}
    const { kinds, stretch } = this.#options.killers
    const number = Math.floor(n / stretch)
    const place = this.random.fork(`killer ${number}`).integer(0, stretch - 1)
    return n % stretch === place ? { kill: kinds[number % kinds.length] } : {}
  }

  #take(name: string): MemberProcess {
    const member = this.members.get(name)
    if (member === undefined) throw new Error(`there is no member ${name}`)
    this.members.delete(name)
    return member
  }
}
