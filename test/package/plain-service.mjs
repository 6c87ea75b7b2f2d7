/** A service in plain JavaScript, with its handler on main. */
import { defineHandler, done, startSupervisor, table, topic } from 'troupe'
import { startEmbeddedBroker } from 'troupe/embedded'
import { probe } from './probe.js'

const columns = { id: 'text', tax: 'numeric' }
const receipts = table('receipts', { sink: 'receipts', columns, key: ['id'] })

const handler = defineHandler({
  input: topic('orders'),
  outputs: [receipts],
  handle: ({ id, total }) => done([receipts.upsert({ id, tax: total / 4 })]),
})

await probe({ startSupervisor, startEmbeddedBroker }, { handler })
