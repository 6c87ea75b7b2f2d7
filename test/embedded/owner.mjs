/** A process that owns an embedded server and comes to an end of the given kind. Prints what it started as JSON. */
import { startEmbeddedBroker, startEmbeddedPostgres } from 'troupe/embedded'

const [, , server, end] = process.argv
if (end === 'stay') for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined)
const started = await (server === 'broker' ? startEmbeddedBroker() : startEmbeddedPostgres())
process.stdout.write(`${JSON.stringify(started)}\n`)
// Reading keeps the process alive: the server does not.
process.stdin.on('data', () => process.exit(0))
