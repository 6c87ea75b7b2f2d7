/** `troupe schemas generate` and `check`, on real files and real git. */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runCommandLine } from '../../../../src/supervisor/cli/command-line.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-schemas-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function troupe(...args: readonly string[]) {
  let stdout = ''
  let stderr = ''
  const exitCode = await runCommandLine(['schemas', ...args], {
    env: {},
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    startSupervisor: () => Promise.reject(new Error('nothing starts here')),
    startInstances: () => Promise.reject(new Error('nothing starts here')),
  })
  return { exitCode, stdout, stderr }
}

async function put(path: string, content: unknown): Promise<string> {
  const whole = join(folder, path)
  await mkdir(dirname(whole), { recursive: true })
  await writeFile(whole, typeof content === 'string' ? content : JSON.stringify(content))
  return whole
}

const read = async (path: string): Promise<string> => await readFile(join(folder, path), 'utf8')

const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, namespace: 'com.acme', fields })
const id = { name: 'id', type: 'long' }
const order = record('Order', id)

describe('troupe schemas generate', () => {
  test('writes a file beside each schema, and leaves alone what is right already', async () => {
    await put('a/order.avsc', order)
    await put('a/deeper/note.avsc', record('Note', { name: 'text', type: ['null', 'string'] }))
    expect(await troupe('generate', join(folder, 'a'))).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await read('a/order.ts')).toContain('export interface Order {\n  id: bigint\n}')
    expect(await read('a/order.ts')).toContain('export const orderSchema = {')
    expect(await read('a/deeper/note.ts')).toContain('text: string | null')
    const again = await troupe('generate', join(folder, 'a'))
    expect(again.stdout.match(/^unchanged/gm)).toHaveLength(2)
  })

  test('writes into another folder, or all into one file, with longs as the codec is told', async () => {
    await put('in/order.avsc', order)
    await put('in/item.avsc', record('Item', { name: 'order', type: 'com.acme.Order' }))
    expect(await troupe('generate', join(folder, 'in'), '--out', join(folder, 'out'))).toMatchObject({ exitCode: 0 })
    const item = await read('out/item.ts')
    expect(item).toContain('order: Order')
    expect(item).toContain('export const itemReferences = [')
    const all = join(folder, 'all.ts')
    expect(await troupe('generate', join(folder, 'in'), '--out', all, '--longs', 'number')).toMatchObject({
      exitCode: 0,
    })
    expect((await read('all.ts')).match(/export interface Order \{\n {2}id: number/g)).toHaveLength(1)
  })

  test('--check writes nothing, and names each file that differs or is missing', async () => {
    await put('order.avsc', order)
    await put('item.avsc', record('Item', id))
    await troupe('generate', join(folder, 'order.avsc'))
    await put('order.avsc', record('Order', id, { name: 'note', type: 'string' }))
    const { exitCode, stderr, stdout } = await troupe('generate', folder, '--check')
    expect(exitCode).toBe(1)
    expect(stdout).toContain(`${join(folder, 'item.ts')}: is missing`)
    expect(stdout).toContain(`${join(folder, 'order.ts')}: is not what its schema says`)
    expect(stderr).toContain('SCHEMAS_WRONG')
    expect(await read('order.ts')).not.toContain('note')
    await troupe('generate', folder)
    expect(await troupe('generate', folder, '--check')).toMatchObject({ exitCode: 0 })
  })

  test('writes nothing over a file that somebody wrote', async () => {
    await put('order.avsc', order)
    await put('order.ts', 'export const mine = 1\n')
    const { exitCode, stdout } = await troupe('generate', folder)
    expect(exitCode).toBe(1)
    expect(stdout).toContain('was not generated')
    expect(await read('order.ts')).toBe('export const mine = 1\n')
  })

  test('says of each file what is wrong with it, and writes none', async () => {
    await put('order.avsc', order)
    await put('broken.avsc', '{"type": "record"')
    await put('unknown.avsc', record('Item', { name: 'card', type: 'Card' }))
    const { exitCode, stdout } = await troupe('generate', folder)
    expect(exitCode).toBe(1)
    expect(stdout).toContain(`${join(folder, 'broken.avsc')}: no valid schema: it is no JSON`)
    expect(stdout).toMatch(/unknown\.avsc: no valid schema: .*"Card" is no type that is defined/)
    await expect(read('order.ts')).rejects.toThrow('ENOENT')
  })

  test.each([
    ['a path that is not there', ['nowhere']],
    ['a folder without schemas', ['.']],
  ])('is used wrongly with %s', async (_, [path]) => {
    expect(await troupe('generate', join(folder, path!))).toMatchObject({ exitCode: 2 })
  })
})

describe('troupe schemas check', () => {
  const good = async (name: string, value: unknown): Promise<string> => await put(`samples/order/good/${name}`, value)
  const bad = async (name: string, value: unknown): Promise<string> => await put(`samples/order/bad/${name}`, value)

  test('holds for the schemas of this project', async () => {
    const schemas = fileURLToPath(new URL('../../../../schemas', import.meta.url))
    const { exitCode, stdout } = await troupe('check', schemas, '--against', 'none')
    expect(stdout).toMatch(/ok .*click\.avsc: samples: 2 good, 4 bad/)
    expect(exitCode).toBe(0)
  })

  test('a good sample has to come back, and a bad one to be refused for what it names', async () => {
    await put(
      'order.avsc',
      record('Order', id, { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 } }),
    )
    await good('right.json', { id: '9223372036854775807', price: '12.50' })
    const text = await good('text.json', { id: 'x', price: '12.50' })
    const short = await good('short.json', { id: 1, price: '12.5' })
    await bad('right.json', { wrong: 'no price', at: 'price', value: { id: 1 } })
    await bad('bytes.json', { wrong: 'cut short', bytes: '0000000001' })
    const taken = await bad('taken.json', { wrong: 'not wrong at all', value: { id: 1, price: '12.50' } })
    const other = await bad('other.json', { wrong: 'no id', at: 'id', value: { id: 1, price: 3 } })
    const form = await bad('form.json', { id: 1 })
    const { exitCode, stdout } = await troupe('check', folder, '--against', 'none')
    expect(exitCode).toBe(1)
    expect(stdout).toContain('WRONG')
    expect(stdout).toMatch(new RegExp(`${text}: does not encode: .*id`))
    expect(stdout).toMatch(new RegExp(`${short}: (?:does not encode|comes back)`))
    expect(stdout).toContain(`${taken}: is taken, though: not wrong at all`)
    expect(stdout).toContain(`${other}: is refused for something else than id (no id)`)
    expect(stdout).toContain(`${form}: has to be {"wrong"`)
    expect(stdout).not.toContain('right.json')
    expect(stdout).not.toContain('bytes.json')
  })

  test('a logical type that nobody sees is noted, and no problem', async () => {
    await put('order.avsc', record('Order', id, { name: 'at', type: 'long', logicalType: 'timestamp-millis' }))
    const { exitCode, stdout } = await troupe('check', folder, '--against', 'none')
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('at: logicalType timestamp-millis stands beside')])
  })

  test('samples that no schema has are told of', async () => {
    await put('order.avsc', order)
    await put('samples/ordre/good/one.json', { id: 1 })
    expect((await troupe('check', folder, '--against', 'none')).stdout).toMatch(
      /samples\/ordre: there is no .*ordre\.avsc/,
    )
  })

  describe('against git', () => {
    const git = (...args: readonly string[]): void => {
      execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { stdio: 'ignore' })
    }
    const commit = (): void => {
      git('add', '-A')
      git('commit', '-m', 'any')
    }

    beforeEach(async () => {
      git('init', '-b', 'main')
      await put('s/order.avsc', order)
      commit()
      git('checkout', '-b', 'work')
    })

    test('a change is compared with where its branch began, though it is committed there', async () => {
      await put('s/order.avsc', record('Order', id, { name: 'note', type: 'string' }))
      await put('s/item.avsc', record('Item', id))
      commit()
      const { exitCode, stdout } = await troupe('check', join(folder, 's'))
      expect(exitCode).toBe(1)
      expect(stdout).toContain('compared with git:main')
      expect(stdout).toMatch(/order\.avsc: not BACKWARD to main in git: .*'note'.*no default/)
      expect(stdout).toMatch(/ok .*item\.avsc: no samples, new/)
      expect(await troupe('check', join(folder, 's'), '--against', 'git:HEAD')).toMatchObject({ exitCode: 0 })
      expect(await troupe('check', join(folder, 's'), '--level', 'FORWARD')).toMatchObject({ exitCode: 0 })
    })

    test('a field with a default is compatible', async () => {
      await put('s/order.avsc', record('Order', id, { name: 'note', type: 'string', default: '' }))
      const { exitCode, stdout } = await troupe('check', join(folder, 's'))
      expect(stdout).toMatch(/ok .*order\.avsc: no samples, compatible/)
      expect(exitCode).toBe(0)
    })

    test('a transitive level asks all versions that git has', async () => {
      await put('s/order.avsc', record('Order'))
      commit()
      await put('s/order.avsc', record('Order', { ...id, type: 'string', default: '' }))
      expect(await troupe('check', join(folder, 's'), '--against', 'git:HEAD')).toMatchObject({ exitCode: 0 })
      const all = await troupe('check', join(folder, 's'), '--against', 'git:HEAD', '--level', 'BACKWARD_TRANSITIVE')
      expect(all.exitCode).toBe(1)
      expect(all.stdout).toMatch(/not BACKWARD_TRANSITIVE to [0-9a-f]{8} in git: .*LONG/)
    })

    test('a name of another file is found as that file was', async () => {
      await put('s/box.avsc', record('Box', { name: 'order', type: 'Order' }))
      commit()
      await put('s/order.avsc', record('Order', { ...id, type: 'string' }))
      const { stdout } = await troupe('check', join(folder, 's'), '--against', 'git:HEAD')
      expect(stdout).toMatch(/box\.avsc: not BACKWARD to HEAD in git/)
    })

    test('a name of a file in another folder is found there, as it was', async () => {
      await put('s/common/money.avsc', record('Money', id))
      await put('s/bills/bill.avsc', record('Bill', { name: 'total', type: 'Money' }))
      commit()
      await put('s/bills/bill.avsc', record('Bill', { name: 'total', type: 'string' }))
      const { exitCode, stdout } = await troupe('check', join(folder, 's'), '--against', 'git:HEAD')
      expect(stdout).toMatch(/bill\.avsc: not BACKWARD to HEAD in git/)
      expect(exitCode).toBe(1)
    })

    test('a file that was no valid schema is said to be compared with nothing', async () => {
      await put('s/broken.avsc', '{"type": "record"}')
      commit()
      await put('s/broken.avsc', record('Broken', id))
      const { exitCode, stdout } = await troupe('check', join(folder, 's'), '--against', 'git:HEAD')
      expect(stdout).toMatch(
        /ok .*broken\.avsc: no samples, not compared with HEAD in git: no valid schema there: .*name/,
      )
      expect(exitCode).toBe(0)
    })

    test('where git does not know where the work began, it is compared with the main branch as it is', async () => {
      git('checkout', '--orphan', 'elsewhere')
      await put('s/order.avsc', record('Order', { ...id, type: 'string' }))
      commit()
      const { exitCode, stdout } = await troupe('check', join(folder, 's'))
      expect(stdout).toContain('compared with git:main')
      expect(exitCode).toBe(1)
    })

    test('without a main branch, as in a shallow clone, it is said that only what is not committed is compared', async () => {
      git('branch', '-D', 'main')
      const { exitCode, stdout } = await troupe('check', join(folder, 's'))
      expect(stdout).toMatch(/compared with git:HEAD .*: git has no main branch here.*--against git:REF/)
      expect(exitCode).toBe(0)
    })

    test('what git refuses is told in its words, and not taken for no git', async () => {
      await writeFile(join(folder, '.git/config'), '[core\n')
      const { exitCode, stderr } = await troupe('check', join(folder, 's'))
      expect(stderr).toMatch(/git .*bad config/)
      expect(exitCode).toBe(2)
    })

    test('in a hook of git, which tells its own folders by the environment', async () => {
      await put('s/order.avsc', record('Order', { ...id, type: 'string' }))
      vi.stubEnv('GIT_DIR', join(folder, '.git'))
      const { stdout } = await troupe('check', join(folder, 's'))
      vi.unstubAllEnvs()
      expect(stdout).toMatch(/order\.avsc: not BACKWARD to main in git|order\.avsc: not BACKWARD to HEAD in git/)
    })

    test.each([['git:nowhere'], ['git'], ['svn:1']])('--against %s is used wrongly', async (against) => {
      expect(await troupe('check', join(folder, 's'), '--against', against)).toMatchObject({ exitCode: 2 })
    })
  })

  test('without git nothing is compared, which is said', async () => {
    await put('order.avsc', order)
    const { exitCode, stdout } = await troupe('check', folder)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('compared with nothing: no git here')
    expect(await troupe('check', folder, '--against', 'git:HEAD')).toMatchObject({ exitCode: 2 })
  })
})
