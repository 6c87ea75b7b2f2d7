// Where the brokers of a cluster listen.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** @typedef {import('./settings.mjs').BrokerPlace} BrokerPlace */

const host = '127.0.0.1'

/**
 * @param {number} count
 * @param {number | undefined} firstPort
 * @param {string} folder
 * @returns {Promise<BrokerPlace[]>}
 */
export async function choosePlaces(count, firstPort, folder) {
  const clientPorts = Array.from({ length: count }, (_, index) => firstPort && firstPort + index)
  for (const port of clientPorts) {
    if (port !== undefined && !(await isFree(port)))
      throw new Error(`port ${port} is in use: choose another with --port`)
  }
  const taken = new Set(clientPorts)
  const choose = async () => {
    const port = await findFreePort(taken)
    taken.add(port)
    return port
  }
  /** @type {BrokerPlace[]} */
  const places = []
  for (const [index, clientPort] of clientPorts.entries()) {
    const id = index + 1
    const port = clientPort ?? (await choose())
    const internalPort = await choose()
    const controllerPort = await choose()
    places.push({ id, host, port, internalPort, controllerPort, folder: join(folder, `broker-${id}`) })
  }
  return places
}

/**
 * Below the range from which outgoing connections take theirs: or a broker that is down for a moment could lose its port.
 * @param {ReadonlySet<number | undefined>} taken
 */
async function findFreePort(taken) {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    if (!taken.has(port) && (await isFree(port))) return port
  }
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
