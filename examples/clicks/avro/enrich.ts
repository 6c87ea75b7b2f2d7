/** The same handler, on Avro. A schema says that the time is text; whether it is one is checked here. */
import { compose, deadLetter, defineHandler, type Outcome } from 'troupe'
import enrich from '../enrich.ts'
import { checkClick, clickTable, type Click } from '../flows.ts'
import { avroClicks, avroEnrichedClicks } from './flows.ts'

export default defineHandler({
  ...enrich,
  input: avroClicks,
  outputs: [avroEnrichedClicks, clickTable],
  handle: compose(check, enrich.handle),
})

function check(click: Click): Click | Outcome {
  try {
    return checkClick(click)
  } catch (error) {
    return deadLetter(error instanceof Error ? error.message : String(error))
  }
}
