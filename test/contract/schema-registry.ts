/**
 * What a schema registry with Confluent's API does, as far as Troupe and its users' other clients rely on it: the same cases
 * for the embedded one and for a real one. Where a real one is known to differ from Confluent's, its world says so.
 */
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { describe, expect, it } from 'vitest'
import type { CompatibilityLevel } from '../../src/schemas/compatibility.ts'
import { evolutions } from './evolutions.ts'

export interface RegistryWorld {
  readonly url: string
  /** What not every registry does. */
  readonly has: {
    /** A schema that differs in white space and the order of keys only is the same one. */
    readonly canonicalTexts: boolean
    /** A subject's own NONE is another thing than having no level: it counts, and who has none goes by that of all. */
    readonly noneOfOneSubject: boolean
    /** What stands in the way of a schema is told as Confluent tells it. */
    readonly messages: boolean
    /** Each refusal has Confluent's code and status. */
    readonly allCodes: boolean
  }
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

interface Body {
  readonly [key: string]: unknown
}

export function describeRegistryContract(currentWorld: () => RegistryWorld): void {
  let subjects = 0
  const newSubject = (): string => `contract-${process.pid}-${(subjects += 1)}-${Math.random().toString(36).slice(2)}`

  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${currentWorld().url}${path}`, {
      method,
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  }
  const get = (path: string) => ask('GET', path)
  const schemaBody = (schema: unknown, references?: readonly object[]): Body => ({
    schema: JSON.stringify(schema),
    ...(references === undefined ? {} : { references }),
  })
  const register = (subject: string, schema: unknown, references?: readonly object[]) =>
    ask('POST', `/subjects/${subject}/versions`, schemaBody(schema, references))
  async function registered(subject: string, schema: unknown, references?: readonly object[]): Promise<number> {
    const { status, body } = await register(subject, schema, references)
    expect([status, body]).toEqual([200, expect.anything()])
    return (body as { id: number }).id
  }
  const setLevel = (subject: string, compatibility: string) => ask('PUT', `/config/${subject}`, { compatibility })
  const refused = (status: number, code: number): Answer => ({
    status,
    body: expect.objectContaining({ error_code: code, message: expect.any(String) as string }) as unknown,
  })

  let names = 0
  /** One that no test before has registered: ids are shared by all subjects. */
  const newRecord = (...fields: unknown[]) => ({
    type: 'record',
    name: `R${process.pid}_${(names += 1)}_${Math.random().toString(36).slice(2)}`,
    fields,
  })
  const a = { name: 'a', type: 'int' }
  const b = { name: 'b', type: 'string' }
  const withDefault = { ...b, default: '' }

  describe('a schema', () => {
    it('has one id, however often it is registered and under whichever subjects', async () => {
      const [one, other] = [newSubject(), newSubject()]
      const schema = newRecord(a)
      const id = await registered(one, schema)
      expect(await registered(one, schema)).toBe(id)
      expect(await registered(other, schema)).toBe(id)
      expect(await registered(other, { ...schema, fields: [a, withDefault] })).not.toBe(id)
      expect(await get(`/subjects/${one}/versions`)).toEqual({ status: 200, body: [1] })
      expect(await get(`/subjects/${other}/versions`)).toEqual({ status: 200, body: [1, 2] })
    })

    it('that differs in white space and the order of keys only is the same', async (test) => {
      if (!currentWorld().has.canonicalTexts) test.skip('it takes texts as they are')
      const subject = newSubject()
      const { type, name, fields } = newRecord(a)
      const id = await registered(subject, { type, name, fields })
      const otherText = { schema: JSON.stringify({ fields, name, type }, null, 2) }
      expect(await ask('POST', `/subjects/${subject}/versions`, otherText)).toEqual({ status: 200, body: { id } })
      expect(await get(`/subjects/${subject}/versions`)).toEqual({ status: 200, body: [1] })
    })

    it('is read by its id, and where it stands', async () => {
      const subject = newSubject()
      const schema = newRecord(a)
      const id = await registered(subject, schema)
      const { status, body } = await get(`/schemas/ids/${id}`)
      expect(status).toBe(200)
      expect(JSON.parse((body as { schema: string }).schema)).toEqual(schema)
      expect(await get(`/schemas/ids/${id}/versions`)).toEqual({ status: 200, body: [{ subject, version: 1 }] })
    })

    it('is read by its version, by the latest, and looked up by its text', async () => {
      const subject = newSubject()
      const first = newRecord(a)
      const second = { ...first, fields: [a, withDefault] }
      const ids = [await registered(subject, first), await registered(subject, second)]
      const whole = (version: number) => ({
        status: 200,
        body: expect.objectContaining({
          subject,
          version,
          id: ids[version - 1],
          schema: expect.any(String) as string,
        }) as unknown,
      })
      expect(await get(`/subjects/${subject}/versions/1`)).toEqual(whole(1))
      expect(await get(`/subjects/${subject}/versions/2`)).toEqual(whole(2))
      expect(await get(`/subjects/${subject}/versions/latest`)).toEqual(whole(2))
      expect(await ask('POST', `/subjects/${subject}`, schemaBody(first))).toEqual(whole(1))
      expect((await get('/subjects')).body).toContain(subject)
    })
  })

  describe('a reference', () => {
    it('is resolved where it is registered, given back where it is read, and keeps what it needs from being deleted', async () => {
      const [lines, orders] = [newSubject(), newSubject()]
      const line = newRecord(a)
      const order = newRecord({ name: 'line', type: line.name })
      const references = [{ name: line.name, subject: lines, version: 1 }]
      await registered(lines, line)
      const id = await registered(orders, order, references)
      const { body } = await get(`/schemas/ids/${id}`)
      expect((body as { references: unknown }).references).toEqual(references)
      expect(await ask('POST', `/subjects/${orders}`, schemaBody(order, references))).toMatchObject({ body: { id } })
      expect(await get(`/subjects/${lines}/versions/1/referencedby`)).toEqual({ status: 200, body: [id] })
      expect(await ask('DELETE', `/subjects/${lines}/versions/1`)).toEqual(refused(422, 42206))
    })

    it('to what is not there is refused', async () => {
      const order = newRecord({ name: 'line', type: 'Nowhere' })
      const references = [{ name: 'Nowhere', subject: newSubject(), version: 1 }]
      expect(await register(newSubject(), order, references)).toEqual(refused(422, 42201))
    })
  })

  describe('what is not there, or no schema, is refused with the code that clients know', () => {
    it.each<[string, string, string, number, number]>([
      ['the versions of a subject', 'GET', '/subjects/nowhere/versions', 404, 40401],
      ['a version of a subject', 'GET', '/subjects/nowhere/versions/1', 404, 40401],
      ['a subject to be deleted', 'DELETE', '/subjects/nowhere', 404, 40401],
      ['an id', 'GET', '/schemas/ids/2147483000', 404, 40403],
    ])('%s', async (_, method, path, status, code) => {
      expect(await ask(method, path)).toEqual(refused(status, code))
    })

    it('a version', async () => {
      const subject = newSubject()
      await registered(subject, newRecord(a))
      expect(await get(`/subjects/${subject}/versions/7`)).toEqual(refused(404, 40402))
    })

    it('a version that is no number, a level that is none, a subject without a level, deletes in the wrong order', async (test) => {
      if (!currentWorld().has.allCodes) test.skip('its codes are its own')
      const subject = newSubject()
      await registered(subject, newRecord(a))
      expect(await get(`/subjects/${subject}/versions/first`)).toEqual(refused(422, 42202))
      expect(await setLevel(subject, 'SIDEWAYS')).toEqual(refused(422, 42203))
      expect(await get(`/config/${subject}`)).toEqual(refused(404, 40408))
      expect(await ask('DELETE', `/subjects/${subject}/versions/1?permanent=true`)).toEqual(refused(404, 40407))
      expect(await ask('DELETE', `/subjects/${subject}?permanent=true`)).toEqual(refused(404, 40405))
      expect((await ask('DELETE', `/subjects/${subject}`)).status).toBe(200)
      expect(await ask('DELETE', `/subjects/${subject}/versions/1`)).toEqual(refused(404, 40406))
      expect(await ask('DELETE', `/subjects/${subject}`)).toEqual(refused(404, 40404))
    })

    it('a schema that the subject has not', async () => {
      const subject = newSubject()
      expect(await ask('POST', `/subjects/${subject}`, schemaBody(newRecord(a)))).toEqual(refused(404, 40401))
      await registered(subject, newRecord(a))
      expect(await ask('POST', `/subjects/${subject}`, schemaBody(newRecord(a)))).toEqual(refused(404, 40403))
    })

    it.each<[string, unknown]>([
      ['that is no JSON', '{"type": '],
      ['of a type that is not defined', { type: 'record', name: 'R', fields: [{ name: 'x', type: 'Nowhere' }] }],
      [
        'with a default that is none',
        { type: 'record', name: 'R', fields: [{ name: 'x', type: 'int', default: 'x' }] },
      ],
    ])('a schema %s', async (_, schema) => {
      expect(await register(newSubject(), schema)).toEqual(refused(422, 42201))
    })
  })

  describe('the level', () => {
    it('is that of all until a subject has its own, and again when that is deleted', async () => {
      const subject = newSubject()
      const level = { status: 200, body: { compatibilityLevel: 'BACKWARD' } }
      await registered(subject, newRecord(a))
      expect(await get('/config')).toEqual(level)
      const byThatOfAll = currentWorld().has.noneOfOneSubject ? level : (expect.anything() as unknown)
      expect(await get(`/config/${subject}?defaultToGlobal=true`)).toEqual(byThatOfAll)
      expect(await setLevel(subject, 'FULL')).toEqual({ status: 200, body: { compatibility: 'FULL' } })
      expect(await get(`/config/${subject}`)).toEqual({ status: 200, body: { compatibilityLevel: 'FULL' } })
      expect(await ask('DELETE', `/config/${subject}`)).toMatchObject({ status: 200 })
      expect(await get(`/config/${subject}?defaultToGlobal=true`)).toEqual(byThatOfAll)
    })

    it.for<[CompatibilityLevel, Record<'more' | 'less' | 'optional', boolean>]>([
      ['NONE', { more: true, less: true, optional: true }],
      ['BACKWARD', { more: false, less: true, optional: true }],
      ['BACKWARD_TRANSITIVE', { more: false, less: true, optional: true }],
      ['FORWARD', { more: true, less: false, optional: true }],
      ['FORWARD_TRANSITIVE', { more: true, less: false, optional: true }],
      ['FULL', { more: false, less: false, optional: true }],
      ['FULL_TRANSITIVE', { more: false, less: false, optional: true }],
    ])('%s lets pass what it should', async ([level, expected], test) => {
      if (level === 'NONE' && !currentWorld().has.noneOfOneSubject) test.skip("to it a subject's own NONE is no level")
      const first = newRecord(a)
      const changes = {
        more: { ...first, fields: [a, b] },
        less: { ...first, fields: [] },
        optional: { ...first, fields: [a, withDefault] },
      }
      for (const [change, schema] of Object.entries(changes)) {
        const subject = newSubject()
        await setLevel(subject, level)
        await registered(subject, first)
        const check = await ask('POST', `/compatibility/subjects/${subject}/versions/latest`, schemaBody(schema))
        const { status } = await register(subject, schema)
        const isExpected = expected[change as keyof typeof expected]
        expect([change, check, status]).toEqual([
          change,
          { status: 200, body: expect.objectContaining({ is_compatible: isExpected }) as unknown },
          isExpected ? 200 : 409,
        ])
      }
    })

    it.each<[CompatibilityLevel, boolean]>([
      ['BACKWARD', true],
      ['BACKWARD_TRANSITIVE', false],
      ['FULL', true],
      ['FULL_TRANSITIVE', false],
    ])('%s looks at older versions only if it says so', async (level, isTaken) => {
      const subject = newSubject()
      const first = newRecord(a)
      await registered(subject, first)
      await registered(subject, { ...first, fields: [a, withDefault] })
      await setLevel(subject, level)
      // It needs a field that the latest has, and the first has not.
      expect((await register(subject, { ...first, fields: [a, b] })).status).toBe(isTaken ? 200 : 409)
    })

    it.each(evolutions)('judges $change as Avro does', async ({ from, to, backward, forward }) => {
      const subject = newSubject()
      await registered(subject, from)
      for (const [level, kind] of [
        ['BACKWARD', backward],
        ['FORWARD', forward],
      ] as const) {
        await setLevel(subject, level)
        const check = await ask('POST', `/compatibility/subjects/${subject}/versions/latest`, schemaBody(to))
        expect([level, check]).toEqual([
          level,
          { status: 200, body: expect.objectContaining({ is_compatible: kind === null }) as unknown },
        ])
      }
    })

    it('is a conflict', async () => {
      const subject = newSubject()
      const first = newRecord(a)
      await registered(subject, first)
      expect(await register(subject, { ...first, fields: [a, b] })).toMatchObject({
        status: 409,
        body: { error_code: 409 },
      })
    })

    it('is told of by what stands in the way', async (test) => {
      if (!currentWorld().has.messages) test.skip('its messages are its own')
      const subject = newSubject()
      const first = newRecord(a)
      await registered(subject, first)
      const second = { ...first, fields: [a, b] }
      const { body } = await register(subject, second)
      const path = `/compatibility/subjects/${subject}/versions/latest?verbose=true`
      const checked = await ask('POST', path, schemaBody(second))
      const told = expect.stringMatching(/READER_FIELD_MISSING_DEFAULT_VALUE.*\/fields\/1/) as string
      expect(body).toMatchObject({ message: told })
      expect(checked.body).toMatchObject({ is_compatible: false, messages: expect.arrayContaining([told]) as string[] })
    })
  })

  describe('a delete', () => {
    it('of a version leaves the others, and its id readable for those who have records of it', async () => {
      const subject = newSubject()
      const first = newRecord(a)
      const id = await registered(subject, first)
      await registered(subject, { ...first, fields: [a, withDefault] })
      expect(await ask('DELETE', `/subjects/${subject}/versions/1`)).toEqual({ status: 200, body: 1 })
      expect(await get(`/subjects/${subject}/versions`)).toEqual({ status: 200, body: [2] })
      expect(await get(`/subjects/${subject}/versions/1`)).toEqual(refused(404, 40402))
      expect((await get(`/schemas/ids/${id}`)).status).toBe(200)
    })

    it('of a subject takes it from the list, and gives its versions', async () => {
      const subject = newSubject()
      await registered(subject, newRecord(a))
      expect(await ask('DELETE', `/subjects/${subject}`)).toEqual({ status: 200, body: [1] })
      expect((await get('/subjects')).body).not.toContain(subject)
      expect(await get(`/subjects/${subject}/versions`)).toEqual(refused(404, 40401))
    })

    it('is soft first: what is deleted is still found by who asks for it, and gone when it is deleted for good', async () => {
      const subject = newSubject()
      await registered(subject, newRecord(a))
      expect((await ask('DELETE', `/subjects/${subject}`)).status).toBe(200)
      expect((await get('/subjects?deleted=true')).body).toContain(subject)
      expect(await get(`/subjects/${subject}/versions?deleted=true`)).toEqual({ status: 200, body: [1] })
      expect(await ask('DELETE', `/subjects/${subject}?permanent=true`)).toEqual({ status: 200, body: [1] })
      expect((await get('/subjects?deleted=true')).body).not.toContain(subject)
    })
  })

  describe('a client that is not ours, @kafkajs/confluent-schema-registry,', () => {
    it('registers, writes, and reads what it wrote, with the latest schema and by its id', async () => {
      const client = new SchemaRegistry({ host: currentWorld().url, retry: { retries: 0 } })
      const subject = newSubject()
      const schema = newRecord(a, withDefault)
      const { id } = await client.register({ type: SchemaType.AVRO, schema: JSON.stringify(schema) }, { subject })
      const bytes = await client.encode(id, { a: 1, b: 'x' })
      expect([bytes[0], bytes.readInt32BE(1)]).toEqual([0, id])
      const other = new SchemaRegistry({ host: currentWorld().url, retry: { retries: 0 } })
      expect({ ...((await other.decode(bytes)) as object) }).toEqual({ a: 1, b: 'x' })
      expect(await other.getLatestSchemaId(subject)).toBe(id)
      expect(
        await other.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema: JSON.stringify(schema) }),
      ).toBe(id)
    })
  })
}
