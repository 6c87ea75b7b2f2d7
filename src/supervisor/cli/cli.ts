#!/usr/bin/env node
/** The process behind `troupe`: see `command-line.ts` for what it does. */
import process from 'node:process'
import { startSupervisor } from '../../index.ts'
import { runCommandLine } from './command-line.ts'
import { startInstances } from '../instances/instance-parent.ts'
import { endProcess } from './signals.ts'

const say = (text: string): void => {
  process.stderr.write(text)
}

const exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  stdout: (text) => {
    process.stdout.write(text)
  },
  stderr: say,
  startSupervisor,
  startInstances,
})
endProcess(exitCode, (line) => say(`${line}\n`))
