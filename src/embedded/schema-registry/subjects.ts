/** Subjects and their versions: what is registered, looked up, checked and deleted, by the rules of Confluent's registry. */
import {
  checkLevel,
  describeBreach,
  type Breach,
  type CompatibilityLevel,
  type OldVersion,
} from '../../schemas/compatibility.ts'
import {
  referenceExists,
  schemaIncompatible,
  schemaNotInSubject,
  subjectDeleted,
  subjectMissing,
  subjectNotDeleted,
  versionDeleted,
  versionMissing,
  versionNotDeleted,
} from './registry-error.ts'
import { SchemaStore, makeReady, resolve, type GivenSchema, type StoredSchema } from './schema-store.ts'

export interface Version {
  readonly subject: string
  readonly version: number
  readonly schema: StoredSchema
  /** Softly: it is there for those who ask for deleted ones, or read by its id. */
  readonly isDeleted: boolean
}

export type WantedVersion = number | 'latest'

export class Subjects {
  readonly #schemas = new SchemaStore()
  /** By subject, in the order of their numbers. None is empty. */
  readonly #versions = new Map<string, readonly Version[]>()

  names(withDeleted: boolean): readonly string[] {
    return [...this.#versions.keys()].filter((subject) => this.#of(subject, withDeleted).length > 0).toSorted()
  }

  /** Throws 40401. */
  versionsOf(subject: string, withDeleted: boolean): readonly Version[] {
    const found = this.#of(subject, withDeleted)
    if (found.length === 0) throw subjectMissing(subject)
    return found
  }

  /** Throws 40401 and 40402. */
  version(subject: string, wanted: WantedVersion, withDeleted: boolean): Version {
    const versions = this.versionsOf(subject, withDeleted)
    if (wanted === 'latest') return versions.at(-1)!
    const found = versions.find(({ version }) => version === wanted)
    if (found === undefined) throw versionMissing(wanted)
    return found
  }

  schema(id: number): StoredSchema | undefined {
    return this.#schemas.find(id)
  }

  /** Where a schema stands. */
  versionsWith(id: number, withDeleted: boolean): readonly Version[] {
    return this.all(withDeleted).filter(({ schema }) => schema.id === id)
  }

  all(withDeleted: boolean): readonly Version[] {
    return this.names(withDeleted).flatMap((subject) => this.#of(subject, withDeleted))
  }

  /** Throws 40401, 40403 and 42201. */
  lookUp(subject: string, given: GivenSchema, withDeleted: boolean): Version {
    const versions = this.versionsOf(subject, withDeleted)
    const id = this.#schemas.idOf(makeReady(given, this.#find))
    const found = versions.findLast(({ schema }) => schema.id === id)
    if (found === undefined) throw schemaNotInSubject()
    return found
  }

  /** The id. Throws 409 and 42201. */
  register(subject: string, given: GivenSchema, level: CompatibilityLevel): number {
    const ready = makeReady(given, this.#find)
    const live = this.#of(subject, false)
    const id = this.#schemas.idOf(ready)
    if (live.some(({ schema }) => schema.id === id)) return id!
    const breaches = checkLevel(level, ready.resolved, live.map(this.#asOld))
    if (breaches.length > 0) throw schemaIncompatible(subject, this.#details(subject, breaches, level))
    const schema = this.#schemas.add(ready)
    const versions = this.#of(subject, true)
    const version = (versions.at(-1)?.version ?? 0) + 1
    this.#versions.set(subject, [...versions, { subject, version, schema, isDeleted: false }])
    return schema.id
  }

  /** What would stand in the way of it, for people; empty: nothing. `wanted` undefined: by all versions, as far as the level asks. */
  obstacles(
    subject: string,
    given: GivenSchema,
    level: CompatibilityLevel,
    wanted: WantedVersion | undefined,
  ): readonly string[] {
    const ready = makeReady(given, this.#find)
    const breaches = checkLevel(level, ready.resolved, this.#checked(subject, wanted).map(this.#asOld))
    return breaches.length === 0 ? [] : this.#details(subject, breaches, level)
  }

  #checked(subject: string, wanted: WantedVersion | undefined): readonly Version[] {
    const live = this.#of(subject, false)
    if (wanted === undefined) return live
    if (wanted === 'latest') return live.slice(-1)
    const found = live.filter(({ version }) => version === wanted)
    if (found.length === 0) throw versionMissing(wanted)
    return found
  }

  /** The numbers of the versions that are gone. */
  deleteSubject(subject: string, permanently: boolean): readonly number[] {
    const versions = this.versionsOf(subject, true)
    const live = versions.filter(({ isDeleted }) => !isDeleted)
    if (permanently) {
      if (live.length > 0) throw subjectNotDeleted(subject)
      this.#remove(versions)
      return versions.map(({ version }) => version)
    }
    if (live.length === 0) throw subjectDeleted(subject)
    this.#delete(live)
    return live.map(({ version }) => version)
  }

  deleteVersion(subject: string, wanted: WantedVersion, permanently: boolean): number {
    const found = this.version(subject, wanted, wanted !== 'latest')
    if (permanently) {
      if (!found.isDeleted) throw versionNotDeleted(subject, found.version)
      this.#remove([found])
    } else {
      if (found.isDeleted) throw versionDeleted(subject, found.version)
      this.#delete([found])
    }
    return found.version
  }

  /** Ids of the schemas that refer to it. */
  referencedBy({ subject, version }: Version): readonly number[] {
    const referring = this.all(false).filter(({ schema }) =>
      schema.references.some((reference) => reference.subject === subject && reference.version === version),
    )
    return [...new Set(referring.map(({ schema }) => schema.id))]
  }

  #delete(versions: readonly Version[]): void {
    this.#refuseReferenced(versions)
    for (const { subject, version } of versions) {
      const all = this.#of(subject, true)
      this.#versions.set(
        subject,
        all.map((each) => (each.version === version ? { ...each, isDeleted: true } : each)),
      )
    }
  }

  #remove(versions: readonly Version[]): void {
    this.#refuseReferenced(versions)
    for (const { subject, version, schema } of versions) {
      const left = this.#of(subject, true).filter((each) => each.version !== version)
      if (left.length === 0) this.#versions.delete(subject)
      else this.#versions.set(subject, left)
      if (this.versionsWith(schema.id, true).length === 0) this.#schemas.remove(schema)
    }
  }

  #refuseReferenced(versions: readonly Version[]): void {
    const referenced = versions.find((version) => this.referencedBy(version).length > 0)
    if (referenced !== undefined) throw referenceExists(referenced.subject, referenced.version)
  }

  #of(subject: string, withDeleted: boolean): readonly Version[] {
    const all = this.#versions.get(subject) ?? []
    return withDeleted ? all : all.filter(({ isDeleted }) => !isDeleted)
  }

  readonly #find = (subject: string, version: number): StoredSchema | undefined =>
    this.#of(subject, true).find((each) => each.version === version)?.schema

  readonly #asOld = ({ version, schema }: Version): OldVersion => ({
    version,
    schema: { text: schema.text, references: resolve(schema.references, this.#find) },
  })

  /** In the form that Confluent's registry gives them, of one old version: the latest that the schema does not go with. */
  #details(subject: string, breaches: readonly Breach[], level: CompatibilityLevel): readonly string[] {
    const { version } = breaches[0]!
    const told = breaches
      .filter((breach) => breach.version === version)
      .map((breach) => {
        const { kind, detail } = breach
        return `{errorType:'${kind}', description:'${describeBreach(breach)}', additionalInfo:'${detail}'}`
      })
    const old = this.#find(subject, version)!
    return [...told, `{oldSchemaVersion: ${version}}`, `{oldSchema: '${old.text}'}`, `{compatibility: '${level}'}`]
  }
}
