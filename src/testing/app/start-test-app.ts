/** Starts a handler under test as an app. */
import type { AnyHandler } from '../../actors/handlers/any-handler.ts'
import type { BatchHandler } from '../../actors/handlers/batch-handler.ts'
import type { Handler } from '../../actors/handlers/handler.ts'
import type { Operator } from '../../operators/operator.ts'
import type { DeclaredStates } from '../../state/declared-state.ts'
import type { Destination, KeyGiven } from '../../streams/flows/flow.ts'
import { AppUnderTest } from './app-under-test.ts'
import type { TestApp, TestAppOptions } from './test-app.ts'

/**
 * Starts a handler as an app. Rejects as a start does, with OPTIONS_INVALID for one.
 *
 * @example
 * const app = await startTestApp(watch)
 * await app.send({ cents: 90_000 }, { key: 'ann' })
 * app.append({ cents: 20_000 }, { key: 'ann' })
 * await app.crash({ at: 'before-commit' })
 * expect(app.state('spent').get('ann')).toBe(110_000)
 * expect(app.read(alerts)).toHaveLength(1)
 * await app.close()
 */
export async function startTestApp<Value, Setup, KeyValue, States extends DeclaredStates>(
  handler:
    | Handler<Value, Setup, readonly Destination[], KeyValue, States>
    | BatchHandler<Value, Setup, readonly Destination[], KeyValue, States>,
  options?: TestAppOptions,
): Promise<TestApp<Value, KeyGiven<KeyValue>, States>>
export async function startTestApp(
  handler: Operator,
  options?: TestAppOptions,
): Promise<TestApp<unknown, unknown, DeclaredStates>>
export async function startTestApp(
  handler: unknown,
  options: TestAppOptions = {},
): Promise<TestApp<unknown, unknown, DeclaredStates>> {
  const app = await AppUnderTest.start(handler as AnyHandler, options)
  return app
}
