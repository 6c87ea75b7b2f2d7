/** TypeScript modules, where they are not compiled: found beside the `.js` they stand for, loaded by `tsx` if it is there. */
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { TroupeError, type ErrorCode } from './errors.ts'

/** The file that a URL means: itself, or the `.ts` beside a `.js` that is not there. Null: there is none. */
export async function findSource(url: string): Promise<string | null> {
  if (!url.startsWith('file:') || (await exists(url))) return url
  const typescript = url.replace(/\.([cm]?)js$/, '.$1ts')
  return typescript !== url && (await exists(typescript)) ? typescript : null
}

let isRegistered = false

/**
 * Makes TypeScript loadable in this thread, when the source is TypeScript. Rejects with the given
 * code when `tsx` is not installed.
 */
// `--import tsx` and `execArgv` do not reach worker threads on Node.js 20; registering from inside does.
export async function registerTypeScript(source: string, code: ErrorCode): Promise<void> {
  if (isRegistered || !/\.[cm]?ts$/.test(source)) return
  try {
    const { register } = (await import('tsx/esm/api')) as { register: () => unknown }
    // The other half: without "type": "module" in its package.json a .ts file is CommonJS.
    const commonJs = (await import('tsx/cjs/api')) as { register: () => unknown }
    register()
    commonJs.register()
    isRegistered = true
  } catch (error) {
    throw new TroupeError(
      code,
      `${readableUrl(source)} is TypeScript, and the package tsx is not there to load it; run \`npm install tsx\`, or compile it`,
      { cause: error },
    )
  }
}

/** A URL as people name it: a path, where it is one. */
export function readableUrl(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url
}

/**
 * What an import failed with, on one line. A syntax error says where only in its stack, and a
 * compiler says it in the lines after the first.
 */
export function importFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (isTakenForCommonJs(error)) {
    return 'it is taken for a CommonJS module; put "type": "module" into its package.json, or name it .mts or .mjs'
  }
  const [first = '', second] = error.message.split('\n')
  const detail = first.endsWith(':') && second !== undefined ? `${first} ${second.trim()}` : first
  const place = error instanceof SyntaxError ? /^file:\S+:\d+$/m.exec(error.stack ?? '')?.[0] : undefined
  return `${error.name}: ${detail}${place === undefined ? '' : ` (${readablePlace(place)})`}`
}

/** Without `"type": "module"`, `.js` and `.ts` are CommonJS: Node.js says so for the one, and for the other, by tsx, something else. */
function isTakenForCommonJs(error: Error): boolean {
  const code: unknown = Reflect.get(error, 'code')
  return code === 'ERR_REQUIRE_CYCLE_MODULE' || error.message.startsWith('Cannot use import statement outside a module')
}

async function exists(url: string): Promise<boolean> {
  try {
    await access(fileURLToPath(url))
    return true
  } catch {
    return false
  }
}

function readablePlace(place: string): string {
  const [, url = place, line = ''] = /^(.*):(\d+)$/.exec(place) ?? []
  return `${readableUrl(url)}, line ${line}`
}
