/** A sink that writes rows to a bulk HTTP API. */
import {
  isTroupeError,
  TroupeError,
  type EncodedRow,
  type Sink,
  type SinkContext,
  type SinkDestination,
  type SinkWrite,
  type WriteResult,
} from 'troupe'
import type { BulkApi, BulkRequest, BulkRow } from './bulk-api.ts'

export interface HttpBulkOptions {
  /** `https://search.example:9200`, with a path where there is one. */
  readonly url: string
  readonly api: BulkApi
  /** Sent with each request: `authorization`, say. Never shown. */
  readonly headers?: Readonly<Record<string, string>>
  /** Rows in one request; 1,000 unless given. */
  readonly maxBatchRows?: number
  /** How long one request may take; 30,000 unless given. */
  readonly timeoutMs?: number
}

interface Row extends BulkRow {
  /** Where in the batch, and so where its answer goes. */
  readonly at: number
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** These are about what was sent. All others are about the service, and pass, or are for an operator to mend. */
const refusals = [400, 409, 413, 415, 422]

export function httpBulkSink(options: HttpBulkOptions): Sink {
  return new HttpBulkSink(options)
}

class HttpBulkSink implements Sink {
  readonly maxBatch: number
  readonly #options: HttpBulkOptions
  readonly #destinations = new Map<string, SinkDestination>()
  readonly #ending = new AbortController()

  constructor(options: HttpBulkOptions) {
    this.#options = options
    this.maxBatch = options.maxBatchRows ?? 1_000
  }

  async open(context: SinkContext): Promise<void> {
    const { api, url } = this.#options
    const { status } = await this.#ask(api.ping).catch((error: unknown) => {
      throw new TroupeError('DATABASE_UNREACHABLE', `${api.name} at ${placeOf(url)}: ${reasonOf(error)}`)
    })
    if (status >= 300) throw new TroupeError('DATABASE_UNREACHABLE', `${api.name} at ${placeOf(url)} answers ${status}`)
    context.log.info({}, `connected to ${api.name} at ${placeOf(url)}`)
  }

  async prepare(destinations: readonly SinkDestination[]): Promise<void> {
    const { api } = this.#options
    const missing: string[] = []
    for (const destination of destinations) {
      const { body, status } = await this.#ask(api.exists(destination.table))
      if (!api.isThere(status, body)) missing.push(destination.table)
      this.#destinations.set(destination.table, destination)
    }
    if (missing.length > 0) throw new TroupeError('TABLE_MISSING', `${api.name} has no ${missing.join(', ')}`)
  }

  async write(batch: readonly SinkWrite<EncodedRow>[]): Promise<readonly WriteResult[]> {
    const results = new Array<WriteResult>(batch.length).fill(null)
    const tables = new Map<string, Row[]>()
    for (const [at, { id, output }] of batch.entries()) {
      const rows = tables.get(output.table) ?? []
      tables.set(output.table, rows)
      rows.push({ at, id, values: output.values })
    }
    for (const [table, rows] of tables) {
      const destination = this.#destinations.get(table)
      if (destination === undefined) throw new TroupeError('INTERNAL', `${table} was written before it was prepared`)
      const keyed = rows.filter((row) => {
        if (hasKey(destination, row)) return true
        // It could not be told from another one, and a repeat would stand there twice.
        results[row.at] = new TroupeError('SINK_REFUSED', `${table}: a column of the key is null`)
        return false
      })
      await this.#insert(destination, keyed, results)
    }
    return results
  }

  close(): Promise<void> {
    // What is under way comes to SINK_UNAVAILABLE: it may be written or not, and goes again.
    this.#ending.abort(new Error('the sink is closed'))
    return Promise.resolve()
  }

  /**
   * Where one answer is for all, and it is a refusal, the halves go one after the other, in order, until a row is alone
   * with it.
   */
  async #insert(destination: SinkDestination, rows: readonly Row[], results: WriteResult[]): Promise<void> {
    if (rows.length === 0) return
    const { api } = this.#options
    const { body, status } = await this.#ask(api.insert(destination, rows))
    if (refusals.includes(status)) {
      if (rows.length === 1) results[rows[0]!.at] = refused(destination, status, body)
      else {
        const middle = rows.length >>> 1
        await this.#insert(destination, rows.slice(0, middle), results)
        await this.#insert(destination, rows.slice(middle), results)
      }
      return
    }
    if (status >= 300) throw unavailable(`${api.name} answers ${status}: ${beginningOf(body)}`)
    const answers = itemsOf(api, body)
    for (const [index, row] of rows.entries()) {
      const answer = answers === null ? { status: 200, reason: '' } : answers[index]
      if (answer === undefined) throw unavailable(`${api.name} has not answered for each row`)
      // Too much for the moment (429), or a shard is away (503): all go again, which changes nothing of those taken.
      if (answer.status >= 300 && !refusals.includes(answer.status)) {
        throw unavailable(`${api.name} answers ${answer.status} for a row: ${answer.reason}`)
      }
      if (answer.status >= 300) results[row.at] = refused(destination, answer.status, answer.reason)
    }
  }

  /** Whatever the answer. Rejects with SINK_UNAVAILABLE when there is none. */
  async #ask({ body, contentType, method, path }: BulkRequest): Promise<Answer> {
    const { headers, timeoutMs = 30_000, url } = this.#options
    try {
      const answer = await fetch(url.replace(/\/$/, '') + path, {
        method,
        headers: { ...headers, ...(contentType === undefined ? {} : { 'content-type': contentType }) },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.any([this.#ending.signal, AbortSignal.timeout(timeoutMs)]),
      })
      return { status: answer.status, body: await answer.text() }
    } catch (error) {
      throw unavailable(reasonOf(error))
    }
  }
}

function itemsOf(api: BulkApi, body: string): ReturnType<BulkApi['answers']> {
  try {
    return api.answers(body)
  } catch {
    // A proxy's own page, half of an answer.
    throw unavailable(`${api.name} answers with what is none of its answers: ${beginningOf(body)}`)
  }
}

function hasKey({ columns, key }: SinkDestination, { values }: Row): boolean {
  return columns.every(({ name }, at) => !key.includes(name) || (values[at] ?? null) !== null)
}

function refused({ table }: SinkDestination, status: number, reason: string): TroupeError {
  return new TroupeError('SINK_REFUSED', `${table}: refused with ${status}: ${beginningOf(reason)}`)
}

function unavailable(reason: string): TroupeError {
  return new TroupeError('SINK_UNAVAILABLE', reason)
}

/** `fetch failed` alone says nothing; its cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause, message } = error
  return !isTroupeError(error) && cause instanceof Error ? `${message}: ${cause.message}` : message
}

function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an address that cannot be read'
}

function beginningOf(text: string): string {
  return text.slice(0, 500).trim()
}
