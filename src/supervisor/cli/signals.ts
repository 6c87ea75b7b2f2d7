/** How a process started from the command line ends. Embedded, Troupe does none of this. */
import process from 'node:process'
import { sleepInBackground, systemClock } from '../../clock.ts'
import type { Words } from './words.ts'

/**
 * The polite ones: of a service manager, of a person, of a terminal that closes. The others keep the system's meaning: most
 * end the process at once, undrained, which loses nothing. Node.js opens its inspector at SIGUSR1 and ignores SIGPIPE.
 */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
export type StopSignal = (typeof stopSignals)[number]

/** npm and npx pass on a Ctrl-C that the terminal has sent to the whole process group already. */
const SAME_PRESS_MS = 500

/**
 * Calls `stop` at the first SIGTERM, SIGINT or SIGHUP. A second one ends the process at once; what
 * `endOthers` ends goes with it. Returns what removes the listeners again.
 */
export function onStopSignal(
  stop: (signal: StopSignal) => void,
  say: (line: string) => void,
  endOthers: () => void = () => undefined,
): () => void {
  let first: { readonly signal: StopSignal; readonly atMs: number } | null = null
  const listeners = stopSignals.map((signal) => {
    const listener = (): void => {
      if (first === null) {
        first = { signal, atMs: systemClock.now() }
        stop(signal)
        return
      }
      if (first.signal === signal && systemClock.now() - first.atMs < SAME_PRESS_MS) return
      say(`${signal} again: ended at once; what was in flight is handled again`)
      removeAll()
      endOthers()
      // By the signal's own default, not by process.exit(), which waits for the native client and
      // hangs for ever while that disconnects.
      process.kill(process.pid, signal)
      // The first process of a container is spared by every signal but those of its own making.
      if (process.pid === 1) process.abort()
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  const removeAll = (): void => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
  return removeAll
}

/** Longest that a process may live on when its work is done. */
const EXIT_GRACE_MS = 2000

/** For a process that is ours alone: whoever has gone cannot make it fail, and what it says last is in the log's form. */
export function ownProcess(words: Words): void {
  // Unheard, the end of whoever reads what a handler prints would end the process.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  process.on('uncaughtException', (error) => {
    words.crash(error)
    process.exit(1)
  })
}

/**
 * Sets the exit code and lets the process end by itself. What keeps it alive after that is named,
 * and ended with it.
 */
export function endProcess(exitCode: number, say: (line: string) => void): void {
  process.exitCode = exitCode
  void sleepInBackground(EXIT_GRACE_MS).then(() => {
    // By kind only. Standard input and output are listed, and hold nothing; what native code holds is not.
    const kinds = new Set(process.getActiveResourcesInfo())
    for (const standard of ['PipeWrap', 'TTYWrap']) kinds.delete(standard)
    const held = kinds.size === 0 ? 'the Kafka client, which waits for an answer' : `one of ${[...kinds].join(', ')}`
    say(`still held open after ${EXIT_GRACE_MS} ms by ${held}; ended anyway`)
    process.exit()
  })
}
