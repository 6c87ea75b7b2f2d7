/**
 * The port listens where scrapers and probes reach it. So what not anybody may do or see needs `http.token`, and where there is
 * none nobody does over HTTP.
 */
import type { MiddlewareHandler } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import type { ErrorCode } from '../../errors.ts'

export interface Guarded {
  /** Of the answer to who may not. */
  readonly code: ErrorCode
  /** "this process …: it has no http.token" */
  readonly withoutToken: string
  /** "… needs the header Authorization" */
  readonly what: string
}

export function authorization(token: string | null, { code, what, withoutToken }: Guarded): MiddlewareHandler {
  if (token === null) {
    const error = `this process ${withoutToken}: it has no http.token (TROUPE_HTTP_TOKEN)`
    return (context) => Promise.resolve(context.json({ error, code }, 403))
  }
  // Compares in constant time.
  return bearerAuth({
    token,
    noAuthenticationHeader: {
      message: { error: `${what} needs the header Authorization: Bearer, with http.token`, code },
    },
    invalidAuthenticationHeader: { message: { error: 'the header Authorization is not Bearer and a token', code } },
    invalidToken: { message: { error: 'the token is not the http.token of this process', code } },
  })
}
