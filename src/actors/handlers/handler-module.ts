/** Loads a handler module, in a thread or on main; TypeScript too, where `tsx` is installed. */
import type { HandlerManifest } from './handler-manifest.ts'
import { TroupeError, isTroupeError } from '../../errors.ts'
import { importDefault } from '../../module-default.ts'
import type { ResolvedActor } from '../../options/options.ts'
import { findSource, importFailure, readableUrl, registerTypeScript } from '../../typescript-source.ts'
import { isFronted } from '../../operators/regroup/regrouped.ts'
import { frontOf } from './front-handler.ts'
import { contractsOf, schemasOf } from './handler-schemas.ts'
import {
  callLimitsOf,
  companionsOf,
  globalsOf,
  inputsOf,
  isAnyHandler,
  statesOf,
  timersOf,
  type AnyHandler,
} from './any-handler.ts'

/** The module's default export. Rejects with HANDLER_NOT_LOADED that names the module and the cause. */
export async function loadHandler(url: string): Promise<AnyHandler> {
  const source = await findSource(url)
  if (source === null) throw new TroupeError('HANDLER_NOT_LOADED', `handler module ${readableUrl(url)} does not exist`)
  await registerTypeScript(source, 'HANDLER_NOT_LOADED')
  let handler: unknown
  try {
    handler = await importDefault(source)
  } catch (error) {
    // A topic, a table or a handler that is declared wrongly says so by itself.
    const cause = isTroupeError(error) ? error.message : importFailure(error)
    const message = `handler module ${readableUrl(url)} does not load: ${cause}`
    throw new TroupeError('HANDLER_NOT_LOADED', message, { cause: error })
  }
  if (!isAnyHandler(handler)) {
    throw new TroupeError(
      'HANDLER_NOT_LOADED',
      `handler module ${readableUrl(url)} exports no handler as default; it needs \`export default defineHandler({…})\` or \`defineBatchHandler({…})\``,
    )
  }
  return handler
}

/**
 * Rejects with HANDLER_NOT_LOADED naming the first handler module that is not there: before any
 * thread is started, since threads that end while others still begin are a risk of their own.
 */
export async function verifyHandlerFiles(actors: readonly Pick<ResolvedActor, 'name' | 'handler'>[]): Promise<void> {
  for (const { name, handler } of actors) {
    if (!(handler instanceof URL) || (await findSource(handler.href)) !== null) continue
    const message = `the handler module of actor ${name}, ${readableUrl(handler.href)}, does not exist`
    throw new TroupeError('HANDLER_NOT_LOADED', message)
  }
}

/** What others have to know of a handler without evaluating it. */
export function manifestOf(actor: string, handler: AnyHandler): HandlerManifest {
  const outputs = handler.outputs ?? []
  const topics = outputs.filter((output) => output.kind === 'topic')
  return {
    actor,
    what: handler.kind === 'operator' ? handler.what : handler.kind.replace('-', ' '),
    input: inputsOf(handler)[0].name,
    inputs: inputsOf(handler).map(({ name }) => name),
    isOperator: handler.kind === 'operator',
    outputTopics: topics.map(({ name }) => name),
    latestTopics: topics.filter(({ latestPerCheckpoint }) => latestPerCheckpoint).map(({ name }) => name),
    destinations: outputs.flatMap((output) => (output.kind === 'table' ? [output.destination] : [])),
    schemas: schemasOf(handler),
    call: callLimitsOf(handler),
    contracts: contractsOf(handler),
    states: statesOf(handler),
    timers: timersOf(handler),
    front: frontOf(handler),
    isFronted: handler.kind === 'operator' && isFronted(handler),
    companions: companionsOf(handler),
    globals: globalsOf(handler),
  }
}
