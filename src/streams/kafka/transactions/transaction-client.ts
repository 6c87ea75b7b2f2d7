/** One native client with a transactional id: its calls as promises, each with an end. It decides nothing. */
import { inBackground, sleep, type Clock } from '../../../clock.ts'
import type { OutputRecord } from '../../record.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { codeOf, configurationError, connectClient } from '../connection.ts'
import type {
  NativeConsumer,
  NativeKafka,
  NativeProducer,
  NativeTopicPartition,
  NativeTransactionError,
} from '../native.ts'
import { toNativeBytes, toNativeHeaders } from '../record.ts'
import { ClientLog } from '../trouble.ts'

const QUEUE_FULL = -184
/** A transaction that failed takes no more records; the next call says of what. */
const WRONG_STATE = -172

/** A call returns after so long and goes on in the background: so that whoever disconnects is not kept by it. */
const CALL_MS = 1000
/** This call cannot be taken up again, so it is made once. */
const POSITIONS_MS = 10_000
/** The client says at once that it is not ready to be called again. */
const AGAIN_AFTER_MS = 10
/** A full queue is looked at again after so long. */
const MAKE_ROOM_MS = 2
/** Records that are handed over between two looks at the clock, which cost together less than a millisecond. */
const RECORDS_A_LOOK = 256
/** The event loop is given way to after so long. */
const TURN_MS = 8
/** An idle client's events are taken this often. */
const IDLE_POLL_MS = 5000

export interface TransactionClientSettings {
  readonly native: NativeKafka
  readonly config: Readonly<Record<string, unknown>>
  readonly options: KafkaBrokerOptions
  readonly timeoutMs: number
  /** Aborted, calls are not waited for any more. */
  readonly signal: AbortSignal
}

export class TransactionClient {
  readonly client: NativeProducer
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #endIdlePoll: () => void
  /** A client that is disconnected in the middle of a call ends the process. */
  #calling: Promise<unknown> = Promise.resolve()
  #ending: Promise<void> | undefined

  constructor(client: NativeProducer, clock: Clock, signal: AbortSignal) {
    this.client = client
    this.#clock = clock
    this.#signal = signal
    this.#endIdlePoll = inBackground(IDLE_POLL_MS, () => client.poll())
  }

  /** Makes and connects a client, which has not taken its id yet. Rejects with a TroupeError that names the cause. */
  static async open(settings: TransactionClientSettings): Promise<TransactionClient> {
    const { native, config, options, timeoutMs, signal } = settings
    const log = new ClientLog(options.log, String(config['client.id']), options.clock)
    let client: NativeProducer
    try {
      client = new native.Producer(config)
    } catch (error) {
      throw configurationError(error, config)
    }
    let connected = false
    client.on('event.log', (event) => {
      if (connected) log.note(event)
    })
    client.on('error', (error) => options.log('warn', {}, error.message))
    await connectClient(client, config, options.brokers, timeoutMs, signal, options.clock)
    connected = true
    return new TransactionClient(client, options.clock, signal)
  }

  /** Takes the id: whoever had it before can do nothing more, and what it left open is ended. */
  init(timeoutMs: number): Promise<void> {
    return this.#call(timeoutMs, (sliceMs, done) => {
      this.client.initTransactions(sliceMs, done)
    })
  }

  begin(): Promise<void> {
    return this.#once((done) => {
      this.client.beginTransaction(done)
    })
  }

  /** Resolves when the client has taken them, or takes no more because the transaction has failed. */
  async produce(records: readonly OutputRecord[], timeoutMs: number): Promise<void> {
    let turnAt = this.#clock.now()
    const endsAt = turnAt + timeoutMs
    for (let i = 0; i < records.length; i += 1) {
      if (i % RECORDS_A_LOOK === RECORDS_A_LOOK - 1 && this.#clock.now() - turnAt >= TURN_MS) {
        await sleep(this.#clock, 0)
        turnAt = this.#clock.now()
      }
      for (;;) {
        const answer = this.#produceOne(records[i]!)
        if (answer === 'taken') break
        if (answer === 'failed') return
        if (this.#clock.now() >= endsAt || this.#signal.aborted) throw stayedFull()
        await sleep(this.#clock, MAKE_ROOM_MS)
        turnAt = this.#clock.now()
      }
    }
  }

  #produceOne(record: OutputRecord): 'taken' | 'full' | 'failed' {
    try {
      this.client.produce(
        record.topic,
        record.partition ?? null,
        record.value && toNativeBytes(record.value),
        record.key && toNativeBytes(record.key),
        record.timestamp ?? null,
        undefined,
        toNativeHeaders(record.headers),
      )
      return 'taken'
    } catch (error) {
      const code = codeOf(error)
      if (code === QUEUE_FULL) return 'full'
      if (code === WRONG_STATE) return 'failed'
      throw error
    }
  }

  /** As this consumer's member: its group, generation and id are read at the call. It has to stay connected until then. */
  sendPositions(
    positions: readonly NativeTopicPartition[],
    consumer: NativeConsumer,
    timeoutMs: number,
  ): Promise<void> {
    return this.#once((done) => {
      this.client.sendOffsetsToTransaction(positions, consumer, Math.min(timeoutMs, POSITIONS_MS), done)
    })
  }

  commit(timeoutMs: number): Promise<void> {
    return this.#call(timeoutMs, (sliceMs, done) => {
      this.client.commitTransaction(sliceMs, done)
    })
  }

  abort(timeoutMs: number): Promise<void> {
    return this.#call(timeoutMs, (sliceMs, done) => {
      this.client.abortTransaction(sliceMs, done)
    })
  }

  /** Calls again what goes on in the background, until it has an answer or the time is over. */
  async #call(
    timeoutMs: number,
    call: (sliceMs: number, done: (error: NativeTransactionError | null | undefined) => void) => void,
  ): Promise<void> {
    const endsAt = this.#clock.now() + timeoutMs
    for (;;) {
      const calledAt = this.#clock.now()
      const sliceMs = Math.max(1, Math.min(CALL_MS, Math.ceil(endsAt - calledAt)))
      try {
        await this.#once((done) => {
          call(sliceMs, done)
        })
        return
      } catch (error) {
        const { isRetriable } = error as NativeTransactionError
        const now = this.#clock.now()
        if (isRetriable !== true || now >= endsAt || this.#signal.aborted) throw error
        if (now - calledAt < AGAIN_AFTER_MS) await sleep(this.#clock, AGAIN_AFTER_MS)
      }
    }
  }

  #once(call: (done: (error: NativeTransactionError | null | undefined) => void) => void): Promise<void> {
    const called = new Promise<void>((resolve, reject) => {
      call((error) => {
        if (error == null) resolve()
        else reject(error)
      })
    })
    this.#calling = called.catch(() => undefined)
    return called
  }

  /** What it still holds is dropped. Its open transaction is left to the brokers. */
  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    await this.#calling
    this.#endIdlePoll()
    await new Promise<void>((resolve) => {
      this.client._disconnect(resolve)
    })
  }
}

function stayedFull(): Error {
  return Object.assign(new Error("the client's queue stayed full"), { code: QUEUE_FULL })
}
