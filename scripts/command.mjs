/** Runs a command for a script: output into a log, a line now and then while it takes long, a limit in time. */
import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'

const stillGoingEveryMs = 15_000

/** One line for whoever waits. On stderr: stdout belongs to the command that needed the set-up. */
export function say(line) {
  process.stderr.write(`set-up: ${line}\n`)
}

/** Ends the set-up. The message is complete: what is missing, and the command that helps. */
export class SetUpError extends Error {}

/**
 * Resolves with `{ ok, tail }`: whether the command ended with 0 in time, and the last lines it
 * wrote that are not `noise`. `label` is what the still-going lines call it.
 */
export async function run(command, args, { cwd, env, logFile, label, timeoutMs, noise }) {
  mkdirSync(dirname(logFile), { recursive: true })
  appendFileSync(logFile, `\n> ${[command, ...args].join(' ')}\n`)
  const start = readFileSync(logFile).length
  const log = openSync(logFile, 'a')
  const startedAt = Date.now()
  const stillGoing = setInterval(() => {
    say(`${label}, ${Math.round((Date.now() - startedAt) / 1000)} s so far`)
  }, stillGoingEveryMs)
  try {
    const code = await new Promise((resolve) => {
      // A group of its own, so that a limit in time ends the compilers below it too.
      const child = spawn(command, args, { cwd, env, stdio: ['ignore', log, log], detached: true })
      const stop = () => signalGroup(child.pid, 'SIGKILL')
      const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs)
      const interrupt = (signal) => {
        stop()
        process.exit(signal === 'SIGINT' ? 130 : 143)
      }
      process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
      const settle = (result) => {
        clearTimeout(timer)
        process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
        resolve(result)
      }
      child.once('error', (error) => {
        appendFileSync(logFile, `${error.message}\n`)
        settle(-1)
      })
      child.once('close', settle)
    })
    return { ok: code === 0, tail: lastLines(readFileSync(logFile).subarray(start).toString(), noise) }
  } finally {
    clearInterval(stillGoing)
    closeSync(log)
  }
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended already.
  }
}

function lastLines(text, noise) {
  const lines = text.trimEnd().split('\n')
  return lines
    .filter((line) => !noise?.test(line))
    .slice(-30)
    .join('\n')
}
