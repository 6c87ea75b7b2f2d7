#!/usr/bin/env node
/** The process behind `troupe`: see `command-line.ts` for what it does. */
import process from 'node:process'
import { startSupervisor } from '../../index.ts'
import { runCommandLine } from './command-line.ts'
import { startInstances } from '../instances/instance-parent.ts'
import { standardError } from '../log-output.ts'
import { endProcess, ownProcess } from './signals.ts'
import { Words } from './words.ts'

const stderr = (text: string): void => {
  standardError().writeAnyway(text)
}
const words = new Words(stderr)
ownProcess(words)
const stdout = (text: string): void => {
  process.stdout.write(text)
}
const context = { env: process.env, stdout, stderr, startSupervisor, startInstances }
const exitCode = await runCommandLine(process.argv.slice(2), context, words)
endProcess(exitCode, (line) => {
  words.say(line)
})
