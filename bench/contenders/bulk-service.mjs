// A service in a process of its own that takes many records at once: reads them, waits, and answers how many there were.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const [requestMs, recordUs] = process.argv.slice(2).map(Number)
const server = createServer(async (request, response) => {
  let lines = 0
  for await (const chunk of request) for (const byte of chunk) if (byte === 10) lines += 1
  await sleep(requestMs + (lines * recordUs) / 1000)
  response.end(String(lines))
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
process.once('disconnect', () => process.exit(0))
