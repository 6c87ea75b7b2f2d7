/**
 * The program of one of the processes of `troupe run --instances N`: an ordinary supervisor, whose
 * terminal and HTTP port are its parent's.
 *
 * It stops when its parent says so, and when its parent is gone. A signal of its own stops it too:
 * Ctrl-C in a terminal reaches every process, and the parent's word then says nothing new, because
 * it is no signal.
 */
import process from 'node:process'
import { TroupeError, isTroupeError, toWireError } from '../../errors.ts'
import { startSupervisor, type Supervisor } from '../../index.ts'
import { loadAppWithOptions } from '../cli/app-module.ts'
import {
  instanceOptions,
  type Answers,
  type InstanceMessage,
  type InstanceTask,
  type ParentMessage,
  type Question,
} from './instance-protocol.ts'
import { standardError } from '../log-output.ts'
import { createLog, formOf } from '../log.ts'
import type { MetricSnapshot } from './merged-metrics.ts'
import { processRegistry } from '../http/process-registry.ts'
import { ownAnswers } from './own-instance.ts'
import { engineOf } from '../supervisor.ts'
import { endProcess, onStopSignal, ownProcess } from '../cli/signals.ts'
import { Words } from '../cli/words.ts'

const stop = new AbortController()
const stopNow = (): void => {
  stop.abort()
}
/** Null until it has joined. */
let supervisor: Supervisor | null = null

const words = new Words((text) => {
  standardError().writeAnyway(text)
})
const say = (line: string): void => {
  words.say(line)
}
ownProcess(words)

/** Resolves when it was handed over, or cannot be. */
function send(message: InstanceMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else {
      process.send(message, () => {
        resolve()
      })
    }
  })
}

const answers: { readonly [Name in Question]: (of: Supervisor) => Answers[Name] | Promise<Answers[Name]> } = {
  ...ownAnswers,
  metrics: async (of) => (await of.registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[],
}

async function answer(id: number, find: (of: Supervisor) => unknown): Promise<void> {
  try {
    if (supervisor === null) throw new TroupeError('PROCESS_UNREACHABLE', 'is starting')
    await send({ type: 'answer', id, value: await find(supervisor) })
  } catch (error) {
    await send({ type: 'refusal', id, error: toWireError(error) })
  }
}

async function run({ flags, instance, module }: InstanceTask): Promise<void> {
  const { app, options, sources } = await loadAppWithOptions(module, flags, process.env)
  words.form = formOf(options.log.format)
  supervisor = await startSupervisor(app, {
    sources: { ...sources, flags: { ...flags, ...instanceOptions(options, instance) } },
    log: await createLog({ ...options.log, instance }),
    registry: await processRegistry(),
    signal: stop.signal,
  })
  await send({ type: 'started' })
  const end = await supervisor.finished
  if (end.reason === 'failed') throw end.error
}

async function runToEnd(task: InstanceTask): Promise<void> {
  const removeListeners = onStopSignal(stopNow, say)
  let exitCode = 0
  try {
    await run(task)
  } catch (error) {
    // Stopped while it started is stopped, too.
    if (!isTroupeError(error) || error.code !== 'START_STOPPED') {
      // The parent shows it, once for all of its processes.
      await send({ type: 'failed', error: toWireError(error) })
      exitCode = 1
    }
  }
  removeListeners()
  if (process.connected) process.disconnect()
  endProcess(exitCode, say)
}

process.on('message', (message) => {
  const told = message as ParentMessage
  switch (told.type) {
    case 'run':
      void runToEnd(told.task)
      break
    case 'stop':
      stopNow()
      break
    case 'ask':
      void answer(told.id, (of) => answers[told.question](of))
      break
    case 'decide':
      void answer(told.id, (of) => {
        engineOf(of).decide(told.record, told.decision)
      })
      break
    case 'report':
      void answer(told.id, (of) => engineOf(of).report(told.question))
      break
    case 'decide-key':
      void answer(told.id, (of) => engineOf(of).decideKey(told.topic, told.hash, told.decision))
      break
  }
})
process.on('disconnect', stopNow)
if (!process.connected) stopNow()
