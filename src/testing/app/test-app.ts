/**
 * A handler under test as the app that it will be: the engine, its checkpoints and its restores, at a broker in memory that
 * keeps transactions, on a clock that a test moves. What is read is what stands: what a `read_committed` reader of a topic sees,
 * what is in the tables, and what the store has of a committed checkpoint.
 *
 * Time stands still between two calls. A call lets as much of it pass as it takes until nothing is left to do, and waits in
 * real time for what the handler's own promises wait for.
 */
import type { Decision, ParkedRecord } from '../../actors/parking-lot.ts'
import type { ActorDefinition, AppDefinition } from '../../app.ts'
import type { Log } from '../../log.ts'
import type { DeclaredState, NoStates } from '../../state/declared-state.ts'
import type { CheckpointPoint } from '../../streams/delivery/checkpoint-points.ts'
import type { Key, RecordEffect, RecordOptions, TableDestination, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { EngineStatus } from '../../supervisor/status/status.ts'
import type { FakeBroker } from '../broker/fake-broker.ts'
import type { FakeDatabase, FakeRow } from '../fake-sink.ts'

export interface TestAppOptions extends Pick<
  AppDefinition,
  'guarantee' | 'checkpointIntervalMs' | 'intake' | 'shared'
> {
  /** Options of its actor, as beside `handler` in `defineApp`; its dead letters go to `dead-letters` unless given. It runs on main. */
  readonly actor?: Omit<ActorDefinition, 'handler' | 'runOn'>
  /** Of its input; or of each topic by its name. 1 unless given. */
  readonly partitions?: number | Readonly<Record<string, number>>
  /** What the wall clock says at the start, milliseconds since the Unix epoch. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number
  /** Where all chance comes from (latencies, the jitter of back-offs). Default 1. */
  readonly seed?: number
  /** What the app and its handler log to. Default: nothing is logged. */
  readonly log?: Log
}

export interface CrashOptions {
  /**
   * The point of its next checkpoint at which it crashes. Records have to wait for one: put them there with `append`.
   * Unless given it crashes where it stands.
   */
  readonly at?: CheckpointPoint
}

/** What stands of one state. */
export interface KeptValues<Value, GivenKey = Key> {
  /** What is kept for this key; undefined: nothing, or it is older than its `ttlMs`. Of the key's own partition, unless given. */
  get(key: GivenKey, options?: { readonly partition?: number }): Value | undefined
}

type ValueOf<State> = State extends DeclaredState<infer Value, unknown> ? Value : never

/** What stands of one record that failed for good. */
export interface SeenLetter {
  /** `topic/partition/offset`; of a timer: where the position stood. */
  readonly id: string
  /** Why: a code of docs/errors.md. */
  readonly code: string
  /** What the last attempt failed with, or the reason that the handler has given. */
  readonly message: string
  readonly record: SourceRecord
}

export interface TestApp<Value, GivenKey = Key, States = NoStates> {
  /** Puts a record into the input, and lets nothing happen yet. */
  append(value: Value, options?: RecordOptions<GivenKey>): void
  /** The same for raw bytes. null is a tombstone. */
  appendBytes(bytes: Uint8Array | null, options?: RecordOptions<GivenKey>): void
  /** `append`, and then all that follows from it: until everything is finished, or parked, or its partition halted. */
  send(value: Value, options?: RecordOptions<GivenKey>): Promise<void>
  /** What is committed of this state. */
  state<Name extends keyof States & string>(name: Name): KeptValues<ValueOf<States[Name]>, GivenKey>
  /** What a `read_committed` reader of this topic has seen, as the handler has sent it. */
  read<Read, Name extends string, KeyValue>(topic: Topic<Read, Name, KeyValue>): readonly RecordEffect<Read, Name>[]
  /** The rows of this table as they stand, each column as text. */
  rows(table: TableDestination): readonly FakeRow[]
  /** What was given up, as its dead-letter topic has it. */
  deadLetters(): readonly SeenLetter[]
  /**
   * Moves stream time on to this, in all partitions of the input or one: values grow old, and timers fire. Stream time moves with
   * records only, so this puts one into the partition that the handler is not given, without key and value. The wall clock
   * goes on by what that takes.
   */
  advanceTo(streamTimeMs: number, options?: { readonly partition?: number }): Promise<void>
  /** Lets so much time pass by the wall clock, with nothing arriving, and then as much as it takes to commit what was handled. */
  idle(durationMs: number): Promise<void>
  /** Its process is gone without a word, as by `kill -9`. Another one begins with what stands, and finishes what there is. */
  crash(options?: CrashOptions): Promise<void>
  /** Another process joins, and the one before leaves in order: all partitions move, with their state. */
  rebalance(): Promise<void>
  /** Records that wait for an operator's word, and that word. */
  parked(): readonly ParkedRecord[]
  decide(id: string, decision: Decision): Promise<void>
  /** As `/status` says it. */
  status(): EngineStatus
  /** What its wall clock says. */
  readonly nowMs: number
  /** Where its topics are: for faults of brokers. */
  readonly broker: FakeBroker
  /** Where the tables of this sink are (`postgres` unless given): for faults of databases. */
  database(sink?: string): FakeDatabase
  /** Stops it in order, and tears down what the handler has set up. */
  close(): Promise<void>
}
