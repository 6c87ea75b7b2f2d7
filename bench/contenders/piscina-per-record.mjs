// One Piscina task a record, as trivial: the bytes come back. As many at once as a batch has.
import { isMainThread } from 'node:worker_threads'

export async function run({ settings, meter }) {
  const { Piscina } = await import('piscina')
  const pool = new Piscina({
    filename: new URL(import.meta.url).href,
    minThreads: settings.threads,
    maxThreads: settings.threads,
    ...settings.pool,
  })
  const value = Buffer.alloc(settings.bytes, 'v')
  const sendForEver = async () => {
    for (;;) {
      await pool.run(new Uint8Array(value))
      meter.count()
    }
  }
  await Promise.all(Array.from({ length: settings.atOnce }, sendForEver))
}

export default function task(value) {
  if (isMainThread) throw new Error('a task runs in a thread')
  return value
}
