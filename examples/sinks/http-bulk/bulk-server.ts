/** A real HTTP server with both APIs, as far as the sink uses them, on what is kept in memory. For tests. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Document = Readonly<Record<string, unknown>>

export class BulkServer {
  /** Documents by index and id. */
  readonly indices = new Map<string, Map<string, Document>>()
  /** Rows by table, in the order in which they were inserted. */
  readonly tables = new Map<string, Document[]>()
  readonly requests: { readonly url: string; readonly body: string; readonly headers: IncomingMessage['headers'] }[] =
    []
  /** Answers instead of all that is usual; undefined: does not. */
  answer: ((response: ServerResponse) => void) | undefined
  /** Status of an item that is not taken; undefined: it is. */
  refuse: (document: Document) => number | undefined = () => undefined
  readonly #tokens = new Set<string>()
  readonly #server = createServer((request, response) => {
    void this.#take(request, response)
  })
  #port = 0

  static async start(): Promise<BulkServer> {
    const server = new BulkServer()
    await server.listen()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** On the port that it had before. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
    const url = new URL(request.url ?? '/', this.url)
    this.requests.push({ url: request.url ?? '', body, headers: request.headers })
    const query = url.searchParams.get('query')
    if (this.answer !== undefined) this.answer(response)
    else if (url.pathname === '/_bulk') response.end(JSON.stringify(this.#bulk(body)))
    else if (query?.startsWith('EXISTS') === true) response.end(this.tables.has(nameIn(query)) ? '1\n' : '0\n')
    else if (query !== null)
      this.#insert(nameIn(query), url.searchParams.get('insert_deduplication_token'), body, response)
    else if (request.method === 'HEAD') response.writeHead(this.indices.has(url.pathname.slice(1)) ? 200 : 404).end()
    else response.end('Ok.\n')
  }

  #bulk(body: string): object {
    const lines = body.split('\n').slice(0, -1)
    const items = lines.flatMap((line, at) => {
      if (at % 2 === 1) return []
      const { index } = JSON.parse(line) as { index: { _index: string; _id: string } }
      const document = JSON.parse(lines[at + 1]!) as Document
      const status = this.refuse(document)
      if (status !== undefined) return [{ index: { status, error: { type: 'refused', reason: 'as the test wants' } } }]
      this.indices.get(index._index)!.set(index._id, document)
      return [{ index: { status: 200 } }]
    })
    return { errors: items.some(({ index: { status } }) => status !== 200), items }
  }

  #insert(table: string, token: string | null, body: string, response: ServerResponse): void {
    const rows = body
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Document)
    const status = rows.map((row) => this.refuse(row)).find((each) => each !== undefined)
    if (status !== undefined) {
      response.writeHead(status).end('Code: 27. Cannot parse input')
      return
    }
    if (token === null || !this.#tokens.has(token)) this.tables.get(table)!.push(...rows)
    if (token !== null) this.#tokens.add(token)
    response.end()
  }
}

function nameIn(query: string): string {
  return /`([^`]+)`/.exec(query)?.[1] ?? ''
}
