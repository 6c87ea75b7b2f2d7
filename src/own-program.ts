/** Files of Troupe's own that it starts, on threads and as processes: they stand where they were installed, and in no bundle. */
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TroupeError } from './errors.ts'

/** Undefined in CommonJS, which only a bundler makes of this. */
const own = import.meta.url as string | undefined

/** Whether a bundler has put Troupe into some other file. */
export function isBundled(): boolean {
  return own === undefined || !/\/own-program\.[jt]s$/.test(own) || !existsSync(fileURLToPath(own))
}

/** The URL of a program, given from here and without its extension. Throws BUNDLED where it cannot be found. */
export function ownProgram(path: string): URL {
  if (own === undefined || isBundled()) throw bundledError()
  return new URL(`${path}${extname(own)}`, own)
}

export function bundledError(cause?: unknown): TroupeError {
  const message =
    'a bundler has put Troupe into a file of the app, where it does not find the programs that it starts and its native ' +
    'client; mark it external (esbuild: --external:troupe), and install it beside'
  return new TroupeError('BUNDLED', message, { cause })
}
