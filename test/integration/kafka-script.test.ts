import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { countKnownBrokers } from '../../scripts/kafka/metadata-probe.mjs'
import { kafkaIsAvailable } from '../support/real-kafka.ts'

describe.skipIf(!kafkaIsAvailable)('npm run kafka', () => {
  const script = fileURLToPath(new URL('../../scripts/kafka.mjs', import.meta.url))

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves nothing behind after %s', async (signal) => {
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'ignore'] })
    const servers = await new Promise<string>((resolve) => {
      child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()))
    })
    const [host, port] = servers.split(':')
    const isUp = async () => (await countKnownBrokers(host!, Number(port))) > 0
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`troupe-kafka-${child.pid}-`))
    expect(await isUp()).toBe(true)
    expect(folders()).toHaveLength(1)

    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
    expect(child.exitCode).toBe(signal === 'SIGKILL' ? null : 0)
    await expect.poll(folders).toEqual([])
    await expect.poll(isUp).toBe(false)
  })
})
