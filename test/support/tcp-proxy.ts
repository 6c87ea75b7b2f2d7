/** Stands before a server on this machine and spoils the connections to it: slow, silent or cut. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

const host = '127.0.0.1'

export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #targetPort: number
  readonly #sockets = new Set<Socket>()
  #delayMs = 0
  #isCut = false

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    this.#targetPort = targetPort
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => {
      this.#join(socket)
    })
  }

  /** Listens on a free port. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    server.listen(0, host)
    await once(server, 'listening')
    return new TcpProxy(server, targetPort)
  }

  /** Ends all connections; new ones end at once, until `restore`. */
  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Everything arrives this much later, each way. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs
  }

  restore(): void {
    this.#isCut = false
    this.#delayMs = 0
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    if (this.#isCut) {
      client.destroy()
      return
    }
    const server = connect({ port: this.#targetPort, host, noDelay: true })
    this.#pass(client, server)
    this.#pass(server, client)
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    // One after the other: with timers of different lengths a later chunk could pass an earlier one.
    let passing = Promise.resolve()
    from.on('data', (chunk) => {
      const dueMs = performance.now() + this.#delayMs
      passing = passing.then(async () => {
        const waitMs = dueMs - performance.now()
        if (waitMs > 0) await sleep(waitMs)
        if (to.destroyed || to.write(chunk)) return
        from.pause()
        to.once('drain', () => from.resume())
      })
    })
    from.on('error', () => undefined)
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
