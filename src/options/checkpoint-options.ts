/** The options of exactly-once and of state. */
import type { OptionRow } from './option-row.ts'
import { milliseconds, name, nullable, oneOf } from './rules.ts'

export interface CheckpointSettings {
  /** null: as the app's handlers need it. */
  readonly guarantee: 'at-least-once' | 'exactly-once' | null
  /** Longest time between two checkpoints, under exactly-once. */
  readonly checkpointIntervalMs: number
  readonly transactionTimeoutMs: number
  /** Where the state of handlers is kept between checkpoints. */
  readonly state: { readonly store: 'memory' | 'disk'; readonly directory: string | null }
}

interface CheckpointRows {
  readonly 'kafka.transactionalId': OptionRow<string | null>
  readonly guarantee: OptionRow<CheckpointSettings['guarantee']>
  readonly checkpointIntervalMs: OptionRow<number>
  readonly transactionTimeoutMs: OptionRow<number>
  readonly 'state.store': OptionRow<CheckpointSettings['state']['store']>
  readonly 'state.directory': OptionRow<string | null>
}

export const checkpointOptions: CheckpointRows = {
  'kafka.transactionalId': {
    rule: nullable(name("a producer's name")),
    default: null,
    defaultText: 'kafka.groupInstanceId, else a new one at each start',
    doc: 'Under exactly-once: the last part of the transactional id, after those of group and app. One for each live process, the same after its restart, such as the name of a pod of a StatefulSet: what its predecessor left open is then ended at once, instead of after transactionTimeoutMs. With instances, -1, -2, … follow.',
  },
  guarantee: {
    rule: nullable(oneOf('at-least-once', 'exactly-once')),
    default: null,
    defaultText: 'at-least-once; exactly-once where a handler keeps state',
    doc: 'exactly-once: outputs, dead letters, state and positions become durable in one transaction, so who reads with isolation.level read_committed sees each output once. Rows in other databases stay at least once.',
  },
  checkpointIntervalMs: {
    rule: milliseconds(),
    default: 100,
    doc: 'Under exactly-once: longest time that a handled record waits for its checkpoint, which makes it durable and its outputs visible. Earlier when half of the intake waits for it.',
  },
  transactionTimeoutMs: {
    // The client takes no less than a second, and brokers no more than 15 minutes, unless their transaction.max.timeout.ms says otherwise.
    rule: milliseconds({ min: 1_000, max: 900_000 }),
    default: 15_000,
    doc: 'Under exactly-once: what a process has left open when it died is aborted by the brokers after so long; until then who takes its partitions over waits. No more than transaction.max.timeout.ms of the brokers. A checkpoint sends its transaction in one go, so handlers, and checkpointIntervalMs, may be longer.',
  },
  'state.store': {
    rule: oneOf('memory', 'disk'),
    default: 'memory',
    doc: 'Where state is kept. memory: restored from its changelog at every start. disk: on local disk (package lmdb), so that a restart on the same machine restores what it has missed only.',
  },
  'state.directory': {
    rule: nullable(name('a directory')),
    default: null,
    doc: 'Where state.store disk keeps its files. One for each live process: with instances, -1, -2, … follow.',
  },
}
