// A program that is not ours, in whatever language: `settings.command`. What it has to do is in its environment.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { outputOf, Written } from './written.mjs'

const endsWithinMs = 20_000

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task, settings.inputs === undefined ? {} : { inputs: settings.inputs })
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'))
  const its = { BROKERS: brokers, TOPIC: topic, GROUP: group, OUTPUT: outputOf(group), FOLDER: folder }
  const env = { ...process.env, ...its, PARTITIONS: String(written.partitions), ...settings.env }
  const [program, ...args] = settings.command
  const child = spawn(program, args, { env, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const failIfEnded = (code) => {
    throw new Error(`it ended with ${code}`)
  }
  child.once('exit', failIfEnded)
  meter.follow(child.pid)
  meter.noteAtEnd(async () => {
    child.off('exit', failIfEnded)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await Promise.race([exited, sleep(endsWithinMs)])
    const notes = await written.perInput()
    rmSync(folder, { recursive: true, force: true })
    return notes
  })
  await written.watchPositions()
}
