/** Kafka as a sink, where its outputs go in checkpoints: what metrics and /status say of those, and of dead letters. */
import type { EngineStats, SinkStats } from '../../../metrics/stats.ts'
import type { Generation } from './generation.ts'
import type { FrozenGeneration } from './participant.ts'

export class OutputAccounts {
  readonly #outputs: SinkStats
  readonly #letters: SinkStats

  constructor(stats: Pick<EngineStats, 'sink'>) {
    this.#outputs = stats.sink('kafka')
    this.#letters = stats.sink('dead-letters')
  }

  noteOutputs(count: number): void {
    this.#outputs.queued += count
  }

  noteLetter(): void {
    this.#letters.queued += 1
  }

  /** They stand, by one transaction that took so long. */
  noteDurable(frozen: readonly FrozenGeneration[], seconds: number): void {
    let [outputs, letters] = [0, 0]
    for (const { generation } of frozen) {
      letters += generation.letterPlaces.size
      outputs += generation.records.length - generation.letterPlaces.size
    }
    noteWrite(this.#outputs, outputs, seconds)
    noteWrite(this.#letters, letters, seconds)
  }

  /** Its epoch has ended before it stood. */
  noteDropped(
    generation: Generation,
    { refusedLetters = 0, refusedOutputs = 0 }: Partial<FrozenGeneration> = {},
  ): void {
    const letters = generation.letterPlaces.size
    drop(this.#letters, letters, refusedLetters)
    drop(this.#outputs, generation.records.length - letters, refusedOutputs)
  }

  /** A transaction has to be made again. */
  noteInVain(): void {
    this.#outputs.unavailable += 1
  }

  noteAvailable(isAvailable: boolean): void {
    this.#outputs.isAvailable = isAvailable
    this.#letters.isAvailable = isAvailable
  }
}

function noteWrite(sink: SinkStats, count: number, seconds: number): void {
  if (count === 0) return
  sink.queued -= count
  sink.durable += count
  sink.written += 1
  sink.writeSeconds.observe(seconds)
  sink.batchOutputs.observe(count)
}

function drop(sink: SinkStats, count: number, refused: number): void {
  sink.queued -= count
  sink.refused += refused
  sink.purged += count - refused
}
