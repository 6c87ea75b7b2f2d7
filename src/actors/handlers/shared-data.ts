/**
 * Read-only data that all handlers share: each piece is loaded once, on main, into memory that every thread sees, so that
 * N threads hold one copy.
 */
import { systemClock, type Clock } from '../../clock.ts'
import { TroupeError, describeError } from '../../errors.ts'

/** Loads one piece of shared data: the bytes of a file, a table packed into an array. */
export type SharedLoader = () => Uint8Array | Promise<Uint8Array>

/** What was loaded, by name. */
export type SharedData = Readonly<Record<string, Uint8Array<SharedArrayBuffer>>>

/** As long as a thread may take to load and set up its handlers. */
const LOAD_TIMEOUT_MS = 60_000

/** Runs the loaders. Rejects with SHARED_NOT_LOADED, also when one does not settle: a stop waits for it as well. */
export async function loadShared(
  loaders: Readonly<Record<string, SharedLoader>>,
  clock: Clock = systemClock,
): Promise<SharedData> {
  const data: Record<string, Uint8Array<SharedArrayBuffer>> = {}
  for (const [name, load] of Object.entries(loaders)) {
    let bytes: unknown
    try {
      bytes = await within(clock, load)
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

async function within(clock: Clock, load: SharedLoader): Promise<Uint8Array> {
  let cancel: () => void = () => undefined
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(LOAD_TIMEOUT_MS, () => {
      reject(new Error(`its loader did not settle within ${LOAD_TIMEOUT_MS} ms`))
    })
  })
  try {
    return await Promise.race([load(), timeout])
  } finally {
    cancel()
  }
}

function copyOf(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  copy.set(bytes)
  return copy
}
