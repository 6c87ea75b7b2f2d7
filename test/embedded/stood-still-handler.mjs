// Takes some 100 ms of a core for each record, and never looks at a clock: time that it does not have does not pass for it.
import { createHash } from 'node:crypto'
import { defineHandler, skip, text, topic } from 'troupe'

export default defineHandler({
  input: topic('work', { codec: text }),
  handle() {
    for (let round = 0; round < 100_000; round += 1) createHash('sha1').update('work').digest()
    return skip()
  },
})
