/** The registry's paths behind a server, for those who bring the right credentials. */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { bearerAuth } from 'hono/bearer-auth'
import type { CompatibilityLevel } from '../../schemas/compatibility.ts'
import { registryRoutes } from './registry-routes.ts'

/** What each request has to carry. */
export type EmbeddedRegistryAuth = { readonly username: string; readonly password: string } | { readonly token: string }

export function registryServer(level: CompatibilityLevel, auth: EmbeddedRegistryAuth | undefined): Server {
  const routes = registryRoutes(level, auth === undefined ? [] : [authorization(auth)])
  // Handlers and services have Node's own Request and Response.
  return createAdaptorServer({ fetch: routes.fetch, overrideGlobalObjects: false }) as Server
}

/** Both compare in constant time. */
function authorization(auth: EmbeddedRegistryAuth): MiddlewareHandler {
  const message = { error_code: 401, message: 'Unauthorized' }
  if ('username' in auth) return basicAuth({ ...auth, invalidUserMessage: message })
  return bearerAuth({
    token: auth.token,
    noAuthenticationHeader: { message },
    invalidAuthenticationHeader: { message },
    invalidToken: { message },
  })
}
