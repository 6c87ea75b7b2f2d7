// Waits for 5 ms.
import { setTimeout as sleep } from 'node:timers/promises'
import { bytes, defineHandler, done, topic } from 'troupe'

export default defineHandler({
  input: topic('backlog', { value: bytes }),
  handle: () => sleep(5).then(() => done()),
})
