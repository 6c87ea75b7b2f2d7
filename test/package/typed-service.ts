/** A service in TypeScript, compiled, with its handler on a worker thread. */
import { startSupervisor } from 'troupe'
import { startEmbeddedBroker } from 'troupe/embedded'
import { probe } from './probe.js'

const handler = new URL('./taxes.js', import.meta.url)
await probe({ startSupervisor, startEmbeddedBroker }, { handler, runOn: 'threads', order: 'key' })
