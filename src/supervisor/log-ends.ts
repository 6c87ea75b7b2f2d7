/** Where logs end: with all that stands in them, records of open transactions included. A client of its own, from the first question on. */
import type { BrokerReader } from '../streams/broker-port.ts'
import type { TopicPartition } from '../streams/record.ts'

export class LogEnds {
  readonly #openReader: () => BrokerReader
  #reader: { readonly client: BrokerReader; readonly connected: Promise<void> } | null = null
  #isClosed = false

  constructor(openReader: () => BrokerReader) {
    this.#openReader = openReader
  }

  /** The high watermark. Rejects where no broker answers, and after the end. */
  async of(partition: TopicPartition): Promise<number> {
    const { client } = await this.#connected()
    return (await client.watermarks(partition)).high
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#reader?.client.disconnect()
  }

  async #connected(): Promise<{ readonly client: BrokerReader }> {
    if (this.#isClosed) throw new Error('nobody is asked any more')
    if (this.#reader === null) {
      const client = this.#openReader()
      this.#reader = { client, connected: client.connect() }
    }
    const reader = this.#reader
    try {
      await reader.connected
    } catch (error) {
      // Another one next time: a client does not connect twice.
      if (this.#reader === reader) this.#reader = null
      await reader.client.disconnect()
      throw error
    }
    return reader
  }
}
