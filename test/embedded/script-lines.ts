/** Runs a script in a process of its own, and reads the JSON that it prints. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/** Resolves to what it printed, line by line, when it has ended well. */
export async function scriptLines<Line>(script: URL, ...args: readonly number[]): Promise<Line[]> {
  const child = spawn(process.execPath, ['--expose-gc', fileURLToPath(script), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const [code] = (await once(child, 'close')) as [number | null]
  // What it complains of need be no failure: on a busy machine the client does of slow answers.
  expect(code, complaints).toBe(0)
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}
