/** Confluent's client for Python reads what is committed: a reader that shares nothing with us but the protocol. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installPythonPeer } from '../../scripts/python-peer.mjs'

const run = promisify(execFile)
const program = fileURLToPath(new URL('python/read_committed.py', import.meta.url))

export interface ForeignRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

/** The whole topic, each partition in its order. */
export async function readByForeigner(brokers: string, topic: string): Promise<readonly ForeignRecord[]> {
  const python = await installPythonPeer((line) => console.log(`python: ${line}`))
  const { stdout } = await run(python, [program, brokers, topic], { maxBuffer: 1 << 30 })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ForeignRecord)
}
