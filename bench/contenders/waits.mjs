// What the contenders share whose handler only waits, as for an answer from a service.
import { setTimeout as sleep } from 'node:timers/promises'

/** The waits of these records: the keys at the same time, each key's records one after the other. */
export async function waitByKey(records, waitMs, meter) {
  const sizes = new Map()
  for (const { key } of records) {
    const name = key.toString('latin1')
    sizes.set(name, (sizes.get(name) ?? 0) + 1)
  }
  await Promise.all(Array.from(sizes.values(), (size) => waitInTurn(size, waitMs, meter)))
}

export async function waitInTurn(count, waitMs, meter) {
  for (let at = 0; at < count; at += 1) {
    await sleep(waitMs)
    meter.count()
  }
}
