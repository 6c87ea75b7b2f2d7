/**
 * Read-only data that all handlers share: each piece is loaded once, on main, into memory that every thread sees, so that
 * N threads hold one copy.
 */
import { TroupeError, describeError } from '../errors.ts'

/** Loads one piece of shared data: the bytes of a file, a table packed into an array. */
export type SharedLoader = () => Uint8Array | Promise<Uint8Array>

/** What was loaded, by name. */
export type SharedData = Readonly<Record<string, Uint8Array<SharedArrayBuffer>>>

/** Runs the loaders. Rejects with SHARED_NOT_LOADED. */
export async function loadShared(loaders: Readonly<Record<string, SharedLoader>>): Promise<SharedData> {
  const data: Record<string, Uint8Array<SharedArrayBuffer>> = {}
  for (const [name, load] of Object.entries(loaders)) {
    let bytes: unknown
    try {
      bytes = await load()
    } catch (error) {
      const message = `the shared data ${name} does not load: ${describeError(error)}`
      throw new TroupeError('SHARED_NOT_LOADED', message, { cause: error })
    }
    if (!(bytes instanceof Uint8Array)) {
      throw new TroupeError(
        'SHARED_NOT_LOADED',
        `the loader of the shared data ${name} returned no Buffer or Uint8Array`,
      )
    }
    data[name] = copyOf(bytes)
  }
  return data
}

/** What a setup asks: a view of the one copy. Throws when no data has that name. */
export function sharedBy(data: SharedData): (name: string) => Buffer {
  return (name) => {
    const bytes = Object.hasOwn(data, name) ? data[name] : undefined
    if (bytes === undefined) {
      const names = Object.keys(data)
      const known = names.length === 0 ? 'the app shares nothing' : `the app shares ${names.join(', ')}`
      throw new Error(`no shared data is named ${name}; ${known}`)
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function copyOf(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  copy.set(bytes)
  return copy
}
