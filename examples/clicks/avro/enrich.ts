/** The same handler, on Avro. A schema says that the time is text; whether it is one is checked here. */
import { deadLetter, defineHandler } from 'troupe'
import enrich from '../enrich.ts'
import { checkClick, clickTable } from '../flows.ts'
import { avroClicks, avroEnrichedClicks } from './flows.ts'

export default defineHandler({
  ...enrich,
  input: avroClicks,
  outputs: [avroEnrichedClicks, clickTable],
  handle(click, context) {
    try {
      checkClick(click)
    } catch (error) {
      return deadLetter(error instanceof Error ? error.message : String(error))
    }
    return enrich.handle(click, context)
  },
})
