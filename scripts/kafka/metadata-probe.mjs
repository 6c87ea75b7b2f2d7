// Asks a broker which brokers it knows, in Kafka's own protocol: the one sign that it really answers clients.
import { connect } from 'node:net'

/**
 * @param {string} host
 * @param {number} port a plain-text listener
 * @returns {Promise<number>} how many brokers it lists; 0 when it does not answer yet
 */
export function countKnownBrokers(host, port) {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    let answer = Buffer.alloc(0)
    /** @param {number} count */
    const finish = (count) => {
      socket.destroy()
      resolve(count)
    }
    socket.setTimeout(2000, () => finish(0))
    socket.on('error', () => finish(0))
    socket.on('close', () => finish(0))
    socket.on('connect', () => socket.write(metadataRequest))
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk])
      // Length, correlation id, then the array of brokers, whose length is all we read.
      if (answer.length >= 12) finish(answer.readInt32BE(8))
    })
  })
}

// Metadata, version 1, for no topics: length, api key 3, version 1, correlation id 1, no client id, empty array.
const metadataRequest = Buffer.from('0000000e' + '0003' + '0001' + '00000001' + 'ffff' + '00000000', 'hex')
