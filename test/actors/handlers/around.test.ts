import { expect, test } from 'vitest'
import { around, type Wrapper } from '../../../src/actors/handlers/around.ts'
import { compose, deadLetter, done, retry, skip, type HandlerContext } from '../../../src/actors/handlers/handler.ts'

const context = { attempt: 1 } as HandlerContext<unknown>

const noting =
  <In, Out>(name: string, lines: string[]): Wrapper<In, Out> =>
  (value, _context, next) => {
    lines.push(`${name} in`)
    const said = next(value)
    lines.push(`${name} out`)
    return said
  }

test('the first wrapper is the outermost, and what is synchronous stays so', () => {
  const lines: string[] = []
  const step = around((value: number) => value * 2, noting('a', lines), noting('b', lines))
  expect(step(21, context)).toBe(42)
  expect(lines).toEqual(['a in', 'b in', 'b out', 'a out'])
})

test('without wrappers the step is what it was', () => {
  const step = (value: number): number => value
  expect(around(step)).toBe(step)
})

test('a wrapper may change the value, call again, or not call at all', async () => {
  let calls = 0
  const flaky = (value: string): Promise<string> => {
    calls += 1
    return calls < 3 ? Promise.reject(new Error('busy')) : Promise.resolve(value)
  }
  const again: Wrapper<string, string> = async (value, context, next) => {
    for (let left = 2; left > 0; left -= 1) {
      try {
        return await next(value)
      } catch {
        // once more
      }
    }
    return await next(value)
  }
  const upper: Wrapper<string, string> = (value, _context, next) => next(value.toUpperCase())
  expect(await around(flaky, upper, again)('x', context)).toBe('X')
  const open: Wrapper<string, string> = () => retry(1_000)
  expect(around(flaky, open)('x', context)).toEqual(retry(1_000))
  expect(calls).toBe(3)
})

test('an outcome passes through, ends the chain, and a handle is a handle still', async () => {
  const lines: string[] = []
  const find = (id: number): string | ReturnType<typeof deadLetter> => (id > 0 ? `user ${id}` : deadLetter('none'))
  const handle = compose(around(find, noting('find', lines)), () => done())
  expect(handle(1, context)).toEqual(done())
  expect(handle(0, context)).toEqual(deadLetter('none'))
  const whole = around(
    (value: number) => Promise.resolve(value > 0 ? done() : skip()),
    noting<number, never>('whole', lines),
  )
  expect(await whole(0, context)).toEqual(skip())
})

test('each wrapper gets the context of the record', () => {
  const seen: number[] = []
  const wrapper: Wrapper<number, number> = (value, { attempt }, next) => {
    seen.push(attempt)
    return next(value)
  }
  expect(around((value: number) => value, wrapper, wrapper)(1, context)).toBe(1)
  expect(seen).toEqual([1, 1])
})
