// An app whose handler says two kilobytes of each record, in its log and by `console.log`.
import { defineApp, defineHandler, done, topic } from 'troupe'

const filler = 'x'.repeat(1_000)

const handler = defineHandler({
  input: topic('words'),
  handle(_value, ctx) {
    ctx.log.info({ filler }, `at ${ctx.id}`)
    console.log(filler)
    return done([])
  },
})

export default defineApp({
  kafka: { brokers: process.env.KAFKA_BROKERS, groupId: 'talkers' },
  actors: [{ name: 'talker', handler }],
})
