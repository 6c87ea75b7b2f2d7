/**
 * A schema registry without installing any, **for trying out and for tests**: Confluent's REST API for Avro, with
 * compatibility checked for real, in this process and in memory.
 */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TroupeError } from '../../errors.ts'
import { compatibilityLevels, type CompatibilityLevel } from '../../schemas/compatibility.ts'
import type { EmbeddedRegistryAuth } from './registry-server.ts'

export interface EmbeddedSchemaRegistryOptions {
  /** TCP port; a free one unless given. */
  readonly port?: number
  /** Where it listens: 127.0.0.1 unless given, so that only this machine reaches it. */
  readonly host?: string
  /** Nothing unless given. */
  readonly auth?: EmbeddedRegistryAuth
  /** Of subjects that have none of their own; BACKWARD unless given, as Confluent's. */
  readonly compatibility?: CompatibilityLevel
}

export interface EmbeddedSchemaRegistry {
  /** `http://127.0.0.1:port`, without the credentials. */
  readonly url: string
  /** Stops answering but keeps its schemas, to see what an outage does. `resume()` brings it back on the same port. */
  interrupt(): Promise<void>
  resume(): Promise<void>
  /** Ends it; what it kept is gone. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts a registry in this process, which it does not keep alive. Rejects with PORT_IN_USE, or OPTIONS_INVALID where it
 * cannot listen at all.
 */
export async function startEmbeddedSchemaRegistry(
  options: EmbeddedSchemaRegistryOptions = {},
): Promise<EmbeddedSchemaRegistry> {
  const { host = '127.0.0.1', port = 0, auth, compatibility = 'BACKWARD' } = options
  if (!compatibilityLevels.includes(compatibility)) {
    const levels = compatibilityLevels.join(', ')
    throw new TroupeError('OPTIONS_INVALID', `compatibility: ${compatibility} is none of ${levels}`)
  }
  // Test kits load on threads too, where nothing of HTTP is needed.
  const { registryServer } = await import('./registry-server.ts')
  const server = registryServer(compatibility, auth)
  await listen(server, host, port)
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    interrupt: () => close(server),
    resume: () => listen(server, host, taken),
    stop: () => close(server),
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  if (server.listening) return
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const isTaken = error instanceof Error && Reflect.get(error, 'code') === 'EADDRINUSE'
    const told = `the embedded schema registry cannot listen on ${host}, port ${port}: ${message}`
    throw new TroupeError(isTaken ? 'PORT_IN_USE' : 'OPTIONS_INVALID', told, { cause: error })
  }
  server.unref()
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    // Clients keep theirs open; nothing here is worth waiting for.
    server.closeAllConnections()
  })
}
