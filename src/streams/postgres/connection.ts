/**
 * One connection to PostgreSQL that comes back by itself: whoever asks next after a loss gets a
 * new one, or an error. One, because rows of one key have to arrive in order.
 *
 * A statement whose connection is lost may still be running at the server, or lie unread in its
 * buffers, and must not come true *after* newer rows that went over the next connection. So the
 * lost socket is reset (bytes not sent yet are never sent), and the first thing the next session
 * does is to end the server process of the lost one.
 */
import type { QueryConfig } from 'pg'
import { systemClock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import { asksForNewConnection, describeConnectionError, isNameTrouble, isServerError } from './errors.ts'
import { createSession, logIn, resetSession, type Backend, type Session } from './session.ts'

export interface ConnectionSettings {
  readonly url: string
  readonly connectTimeoutMs: number
  /** 0: no limit. */
  readonly statementTimeoutMs: number
}

/** How long the server gets, beyond its own limit, to say that a statement ran into it. */
const GRACE_MS = 5_000
/** How long a statement under way is waited for when the connection is closed. */
const CLOSE_TIMEOUT_MS = 1_000

export class PostgresConnection {
  readonly #settings: ConnectionSettings
  #session: Session | null = null
  #backend: Backend | null = null
  /** Server processes of lost sessions that may still carry out a statement of ours. */
  #orphans: Backend[] = []
  #underWay: Promise<unknown> = Promise.resolve()
  #isClosed = false
  /** Somebody else's statements were met in our session: what passed for the server is a pooler. */
  #isSharedUnseen = false
  #name = 'PostgreSQL'

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  /** `PostgreSQL at host:port (database "…", user "…")`, once a connection was tried. */
  get name(): string {
    return this.#name
  }

  /**
   * Runs one statement, in a transaction of its own. Rejects with what the server said, or with a
   * DATABASE_UNREACHABLE TroupeError; a lost connection rejects with the client's error, and then
   * nobody knows whether the statement was carried out. A named statement is prepared once, where
   * the session is ours alone.
   */
  async query<Row extends object>(query: QueryConfig): Promise<readonly Row[]> {
    const session = await this.connect()
    if (query.name === undefined) return await this.#run<Row>(session, query)
    const unnamed = { ...query, name: undefined }
    if (this.#backend === null || this.#isSharedUnseen) return await this.#run<Row>(session, unnamed)
    try {
      return await this.#run<Row>(session, query)
    } catch (error) {
      if (!isNameTrouble(error)) throw error
      // It was refused before it was carried out.
      this.#isSharedUnseen = true
      return await this.#run<Row>(session, unnamed)
    }
  }

  async #run<Row extends object>(session: Session, query: QueryConfig): Promise<readonly Row[]> {
    const backend = this.#backend
    const { statementTimeoutMs } = this.#settings
    try {
      const answer = session.client.query<Row>(query)
      this.#underWay = answer.catch(() => undefined)
      // The server's own limit does not reach us over a connection that hangs.
      return (await (statementTimeoutMs === 0 ? answer : within(statementTimeoutMs + GRACE_MS, answer))).rows
    } catch (error) {
      if (asksForNewConnection(error)) this.#drop(session)
      if (!isServerError(error) && backend !== null) this.#orphans.push(backend)
      throw error
    }
  }

  /** Rejects with OPTIONS_INVALID when `pg` is not installed or the URL cannot be read. */
  async verify(): Promise<void> {
    await createSession(this.#settings.url)
  }

  /** Sees to it that there is a connection. Rejects with a DATABASE_UNREACHABLE TroupeError that names the cause. */
  async connect(): Promise<Session> {
    if (this.#isClosed) throw this.#closedError()
    if (this.#session !== null) return this.#session
    const { url, connectTimeoutMs, statementTimeoutMs } = this.#settings
    const session = await createSession(url)
    this.#name = session.name
    const lose = (): void => {
      if (this.#session === session) this.#session = null
    }
    // Without a listener the loss of an idle connection would end the process.
    session.client.on('error', lose).on('end', lose)
    try {
      this.#backend = await within(connectTimeoutMs, logIn(session, statementTimeoutMs, this.#orphans))
      this.#orphans = []
    } catch (error) {
      resetSession(session)
      throw new TroupeError('DATABASE_UNREACHABLE', `${this.#name}: ${describeConnectionError(error)}`)
    }
    if (this.#closedMeanwhile()) {
      resetSession(session)
      throw this.#closedError()
    }
    this.#session = session
    return session
  }

  /** Idempotent. A statement under way gets a second to end; after that its fate is unknown. */
  async close(): Promise<void> {
    this.#isClosed = true
    await within(CLOSE_TIMEOUT_MS, this.#underWay).catch(() => undefined)
    const session = this.#session
    this.#session = null
    if (session === null) return
    await within(CLOSE_TIMEOUT_MS, session.client.end()).catch(() => undefined)
    resetSession(session)
  }

  #closedMeanwhile(): boolean {
    return this.#isClosed
  }

  #closedError(): TroupeError {
    return new TroupeError('DATABASE_UNREACHABLE', `${this.#name}: the sink is closed`)
  }

  #drop(session: Session): void {
    if (this.#session === session) this.#session = null
    resetSession(session)
  }
}

async function within<Value>(timeoutMs: number, promise: Promise<Value>): Promise<Value> {
  let cancelTimer = (): void => undefined
  const timeout = new Promise<never>((_, reject) => {
    cancelTimer = systemClock.after(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs / 1000} s`)))
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    cancelTimer()
  }
}
