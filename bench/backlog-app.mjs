// The app of `backlog.ts`: one handler, that of ACTOR.
import { defineApp } from 'troupe'

const { ACTOR: name, GROUP_ID: groupId, KAFKA_BROKERS: brokers } = process.env

export default defineApp({
  kafka: { brokers, groupId },
  actors: [{ name, handler: new URL(`./backlog-${name}.mjs`, import.meta.url) }],
})
