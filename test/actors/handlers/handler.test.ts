/** What `defineHandler` is given is looked at where it is given. */
import { describe, expect, test } from 'vitest'
import {
  defineHandler,
  done,
  type HandlerContext,
  type HandlerDefinition,
  type Outcome,
  type SetupContext,
} from '../../../src/actors/handlers/handler.ts'
import { TroupeError, describeError } from '../../../src/errors.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { table, topic } from '../../../src/streams/flows/flow.ts'
import { createHarness } from '../../../src/testing/harness.ts'

const texts = topic('texts', { value: text })
const copies = topic('copies', { value: text })
const rows = table<{ id: string }>('rows', { columns: { id: 'text' }, key: ['id'] })
const handle = (): Outcome => done()

function messageOf(definition: unknown): string {
  try {
    defineHandler(definition as HandlerDefinition<string, undefined>)
  } catch (error) {
    expect(error).toBeInstanceOf(TroupeError)
    expect(error).toMatchObject({ code: 'OPTIONS_INVALID' })
    return describeError(error)
  }
  throw new Error('nothing was refused')
}

/** A handler as an object with a life: methods on the prototype, fields that nobody else may see. */
class Copy {
  readonly input = texts
  readonly outputs = [copies]
  readonly events: string[] = []
  #prefix = ''

  setup({ log }: SetupContext): number {
    log.info({}, 'up')
    this.#prefix = '> '
    return 7
  }

  handle(value: string, { setup }: HandlerContext<number>): Outcome {
    return done([copies.record(`${this.#prefix}${value} ${setup}`)])
  }

  teardown(setup: number): void {
    this.events.push(`${this.#prefix}down ${setup}`)
  }
}

class LateCopy extends Copy {
  override handle(value: string, context: HandlerContext<number>): Outcome {
    return super.handle(`late ${value}`, context)
  }
}

describe('defineHandler', () => {
  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'defineHandler(): the definition is undefined, which is no object'],
    ['a function', handle, 'defineHandler(): handle is a function: write { input, handle }'],
    ['a class', Copy, 'defineHandler(): Copy is a class: write new Copy()'],
    ['no input', { handle }, 'input: undefined is no topic; make one with topic()'],
    ['a table as input', { input: rows, handle }, 'input: table rows is no topic'],
    ['the maker of topics as input', { input: topic, handle }, "input: topic is a function: write topic('…')"],
    ['no handle', { input: texts }, 'handle: undefined is no function'],
    ['an outcome as handle', { input: texts, handle: done() }, 'is no function'],
    ['a misspelt handle', { input: texts, handel: handle }, 'handel: unknown, did you mean handle?'],
    [
      'a misspelt list of outputs',
      { input: texts, handle, output: [copies] },
      'output: unknown, did you mean outputs?',
    ],
    [
      'an option of the actor',
      { input: texts, handle, retry: {} },
      'retry: unknown; options of the actor stand beside `handler` in defineApp',
    ],
    ['one output', { input: texts, handle, outputs: copies }, 'outputs: topic copies is not a list: write [ … ]'],
    [
      'an output by its name',
      { input: texts, handle, outputs: ['copies'] },
      "outputs[0]: 'copies' is no topic and no table",
    ],
    ['an output twice over', { input: texts, handle, outputs: [copies, [rows]] }, 'outputs[1]: '],
    ['a setup that is no function', { input: texts, handle, setup: 5 }, 'setup: 5 is no function'],
    ['a teardown that is no function', { input: texts, handle, teardown: {} }, 'teardown: {} is no function'],
    ['a policy as onError', { input: texts, handle, onError: 'skip' }, "onError: 'skip' is no function"],
    ['a name that is none', { name: '', input: texts, handle }, "name: '' is not a handler's name"],
  ])('refuses %s', (_, definition, message) => {
    expect(messageOf(definition)).toContain(message)
  })

  test('tells all at once, and says which handler it is', () => {
    const message = messageOf({ name: 'copy', input: texts, outputs: ['x'], handel: handle })
    expect(message).toMatch(/^defineHandler\(\) of copy: /)
    expect(message).toContain('outputs[0]')
    expect(message).toContain('handle: undefined is no function')
    expect(message).toContain('did you mean handle?')
  })

  test('takes a handler again, changed', () => {
    const first = defineHandler({ input: texts, handle })
    expect(defineHandler({ ...first, name: 'second' })).toMatchObject({ kind: 'handler', name: 'second' })
  })

  test.each([
    ['of its own class', new Copy(), '> a 7'],
    ['of a class below', new LateCopy(), '> late a 7'],
  ])('an instance %s keeps its methods, and they keep it', async (_, instance, value) => {
    const harness = createHarness(defineHandler(instance))
    expect(await harness.send('a')).toEqual(done([copies.record(value)]))
    await harness.close()
    expect(instance.events).toEqual(['> down 7'])
  })

  test('a plain object keeps `this` as well', async () => {
    const harness = createHarness(
      defineHandler({
        input: texts,
        outputs: [copies],
        handle(value) {
          return done([copies.record(`${value} of ${this.input.name}`)])
        },
      }),
    )
    expect(await harness.send('a')).toEqual(done([copies.record('a of texts')]))
  })
})

test('an output without its list is refused with how to write it', async () => {
  const handler = defineHandler({
    input: texts,
    outputs: [copies],
    handle: (value) => done(copies.record(value) as never),
  })
  await expect(createHarness(handler).send('a')).rejects.toMatchObject({
    code: 'ENCODE_FAILED',
    message: expect.stringContaining('write done([') as string,
  })
})
