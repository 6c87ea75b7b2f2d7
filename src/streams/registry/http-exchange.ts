/**
 * One question to a server and its answer over HTTP, bounded in time and in bytes. Follows no redirect, and knows nothing
 * of schemas. Rejects with what was the matter where no whole answer came.
 */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../../clock.ts'

export interface HttpQuestion {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export interface HttpAnswer {
  readonly status: number
  readonly header: (name: string) => string | null
  readonly text: string
}

export interface HttpLimits {
  readonly connectTimeoutMs: number
  readonly timeoutMs: number
}

/** No schema is as large: whoever sends more is no registry. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** A connection without a question is closed sooner than whatever stands between forgets it. */
const IDLE_MS = 4_000

export class HttpExchange {
  readonly #clock: Clock
  readonly #limits: HttpLimits
  readonly #http: HttpAgent
  readonly #https: HttpsAgent
  readonly #open = new Set<(cause: Error) => void>()
  #isClosed = false

  constructor(clock: Clock, limits: HttpLimits, tls: SecureContextOptions) {
    this.#clock = clock
    this.#limits = limits
    this.#http = new HttpAgent({ keepAlive: true, timeout: IDLE_MS })
    this.#https = new HttpsAgent({ keepAlive: true, timeout: IDLE_MS, ...tls })
  }

  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    try {
      return await this.#askOnce(question)
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error
      // The server has closed an idle connection just as we took it.
      return await this.#askOnce(question)
    }
  }

  /** Whatever is open fails, whatever is asked from now on too, and no connection is left. */
  close(): void {
    this.#isClosed = true
    for (const end of [...this.#open]) end(new Error('closed'))
    this.#http.destroy()
    this.#https.destroy()
  }

  #askOnce({ body, headers, method, url }: HttpQuestion): Promise<HttpAnswer> {
    if (this.#isClosed) return Promise.reject(new Error('closed'))
    const isTls = url.protocol === 'https:'
    const request = isTls
      ? requestHttps(url, { method, headers, agent: this.#https })
      : requestHttp(url, { method, headers, agent: this.#http })
    return new Promise((resolve, reject) => {
      const { connectTimeoutMs, timeoutMs } = this.#limits
      const cancelConnect = this.#clock.after(connectTimeoutMs, () => {
        end(new Error(`no connection within ${connectTimeoutMs} ms`))
      })
      const cancelAnswer = this.#clock.after(timeoutMs, () => {
        end(new Error(`no whole answer within ${timeoutMs} ms`))
      })
      const end = (cause: Error): void => {
        release()
        request.destroy()
        reject(cause)
      }
      const release = (): void => {
        cancelConnect()
        cancelAnswer()
        this.#open.delete(end)
      }
      this.#open.add(end)
      request.on('socket', (socket) => {
        whenConnected(socket, isTls, cancelConnect)
      })
      request.on('error', (error) => {
        end(
          request.reusedSocket && isReset(error)
            ? new LostConnection('the server has closed the connection twice, each time as it was taken up again')
            : explained(error, url.protocol),
        )
      })
      request.on('response', (response) => {
        readText(response).then((text) => {
          release()
          resolve({ status: response.statusCode ?? 0, header: (name) => headerOf(response, name), text })
        }, end)
      })
      request.end(body ?? undefined)
    })
  }
}

class LostConnection extends Error {}

/** Wrong ports and schemes show as these; Node.js's own words name neither. */
function explained(error: Error & { readonly code?: string }, protocol: string): Error {
  const { code, message } = error
  if (code === 'EPROTO' && /wrong version number|packet length too long/i.test(message)) {
    return new Error('what answers there speaks no TLS (EPROTO): write http://, or another port')
  }
  if (code === 'ECONNRESET') {
    return new Error(`${message}: nothing was answered; is it a port for ${protocol}//?`)
  }
  if (code?.startsWith('HPE_')) {
    return new Error(`what answers there speaks no HTTP (${message}): is it the registry's port?`)
  }
  return error
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

/** A socket that was used before is connected already. */
function whenConnected(socket: Socket, isTls: boolean, then: () => void): void {
  if (!socket.connecting) then()
  else socket.once(isTls ? 'secureConnect' : 'connect', then)
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the answer broke off')
  return Buffer.concat(chunks).toString('utf8')
}

function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}
