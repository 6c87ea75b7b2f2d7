/** Loads the module that `troupe run` is given. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isAnyHandler } from '../../actors/handlers/any-handler.ts'
import { isApp, type App } from '../../app.ts'
import { isTroupeError, TroupeError } from '../../errors.ts'
import { START_TIMEOUT_MS } from '../../actors/threads/thread-set.ts'
import { within } from '../../clock.ts'
import { importDefault } from '../../module-default.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { resolveOptions, type OptionSources } from '../../options/resolve.ts'
import { findSource, importFailure, readableUrl, registerTypeScript } from '../../typescript-source.ts'

export interface LoadedApp {
  readonly app: App
  readonly sources: OptionSources
  readonly options: ResolvedApp
}

/** The app of a command line, with what flags (by path of option) and environment make of its options. */
export async function loadAppWithOptions(
  path: string,
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedApp> {
  const { app, url } = await loadApp(path)
  const sources = { flags, env, baseUrl: url, isCli: true }
  return { app, sources, options: resolveOptions(app, sources) }
}

interface AppModule {
  readonly app: App
  /** Of the file that was loaded; relative handler paths start here. */
  readonly url: URL
}

/** The app that a module exports as default. Rejects with APP_NOT_LOADED that names the module and the cause. */
export async function loadApp(path: string, timeoutMs: number = START_TIMEOUT_MS): Promise<AppModule> {
  const asked = path.startsWith('file:') ? path : pathToFileURL(resolve(path)).href
  const source = await findSource(asked)
  if (source === null) throw new TroupeError('APP_NOT_LOADED', `${readableUrl(asked)} does not exist`)
  await registerTypeScript(source, 'APP_NOT_LOADED')
  const exported = await importApp(source, timeoutMs)
  if (!isApp(exported)) throw new TroupeError('APP_NOT_LOADED', `${readableUrl(source)} ${whatIsWrong(exported)}`)
  return { app: exported, url: new URL(source) }
}

async function importApp(source: string, timeoutMs: number): Promise<unknown> {
  const late = (): Error => new Error(`it still waits for something (a top-level await) after ${timeoutMs} ms`)
  try {
    return await within(importDefault(source), timeoutMs, late)
  } catch (error) {
    // A sink or a table that is set up wrongly says so by itself.
    const cause = isTroupeError(error) ? error.message : importFailure(error)
    throw new TroupeError('APP_NOT_LOADED', `${readableUrl(source)} does not load: ${cause}`, { cause: error })
  }
}

function whatIsWrong(exported: unknown): string {
  if (exported === undefined) return 'has no default export; it needs `export default defineApp({…})`'
  if (isAnyHandler(exported)) return 'exports a handler as default; run the app that lists it in `actors`'
  return 'exports something else as default; it needs `export default defineApp({…})`'
}
