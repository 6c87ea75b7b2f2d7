/** `troupe schemas register`: what a registry would make of schemas, and then, when asked, their registration. */
import { TroupeError, isTroupeError } from '../../../errors.ts'
import type { OwnSchema, SubjectSchema } from '../../../streams/flows/contract.ts'
import type { KeptSchema, KeptVersion, Registry } from '../../../streams/registry/registry-client.ts'

export interface Registration {
  readonly wanted: readonly SubjectSchema[]
  readonly registry: Registry
  /** false: nothing is written. */
  readonly yes: boolean
  readonly print: (line: string) => void
}

type Finding =
  | { readonly word: 'same'; readonly version: number; readonly id: number }
  | { readonly word: 'new subject' | 'new version' }
  | { readonly word: 'refused'; readonly reason: string }

/**
 * A line for each subject, references before those that name them. Where one is refused none is written. Rejects with
 * SCHEMA_INCOMPATIBLE then, and with what the registry is unreachable for.
 */
export async function registerSchemas({ print, registry, wanted, yes }: Registration): Promise<void> {
  const all = inOrder(wanted)
  const look = new Look(registry)
  print(`${registry.name}${yes ? '' : ': a dry run, nothing is written'}`)
  for (const each of all) print(told(each.subject, await look.at(each)))
  const refused = all.filter(({ subject }) => look.found.get(subject)?.word === 'refused')
  if (refused.length > 0) {
    const subjects = refused.map(({ subject }) => subject).join(', ')
    throw new TroupeError(
      'SCHEMA_INCOMPATIBLE',
      `nothing is registered: the registry refuses ${subjects}, as told above`,
    )
  }
  const left = all.filter(({ subject }) => look.found.get(subject)?.word !== 'same')
  if (!yes) {
    print(left.length === 0 ? 'nothing to register' : `to register: ${left.length}; write it with --yes`)
    return
  }
  for (const { schema, subject } of left) {
    const id = await registry.register(subject, await look.sent(schema))
    print(`registered   ${subject}: id ${id}`)
  }
}

function told(subject: string, finding: Finding): string {
  switch (finding.word) {
    case 'same':
      return `same         ${subject}: version ${finding.version}, id ${finding.id}`
    case 'refused':
      return `REFUSED      ${subject}: ${finding.reason}`
    default:
      return `${finding.word.padEnd(12)} ${subject}`
  }
}

/** Each subject once, behind those that its schema refers to. */
function inOrder(wanted: readonly SubjectSchema[]): readonly SubjectSchema[] {
  const found = new Map<string, SubjectSchema>()
  const add = (each: SubjectSchema): void => {
    const before = found.get(each.subject)
    if (before !== undefined && before.schema.text !== each.schema.text) {
      throw new TroupeError('OPTIONS_INVALID', `two schemas would go under the subject ${each.subject}`)
    }
    if (before !== undefined) return
    for (const reference of each.schema.references) add({ subject: reference.name, schema: reference })
    found.set(each.subject, each)
  }
  for (const each of wanted) add(each)
  return [...found.values()]
}

class Look {
  readonly found = new Map<string, Finding>()
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  async at({ schema, subject }: SubjectSchema): Promise<Finding> {
    const finding = await this.#find(subject, schema)
    this.found.set(subject, finding)
    return finding
  }

  /** With the versions of what it refers to, which have to be registered. */
  async sent({ references, text, type }: OwnSchema): Promise<KeptSchema> {
    const versions = await Promise.all(
      references.map(async (reference) => {
        const found = await this.#registry.find(reference.name, await this.sent(reference))
        return { name: reference.name, subject: reference.name, version: (found as KeptVersion).version }
      }),
    )
    return { type, text, references: versions }
  }

  async #find(subject: string, schema: OwnSchema): Promise<Finding> {
    const refused = schema.references.find(({ name }) => this.found.get(name)?.word === 'refused')
    if (refused !== undefined) return { word: 'refused', reason: `it refers to ${refused.name}` }
    // What refers to something new is new itself; the registry judges it when that is there.
    const hasNew = schema.references.some(({ name }) => this.found.get(name)?.word !== 'same')
    if (hasNew) {
      return { word: (await this.#registry.version(subject, 'latest')) === null ? 'new subject' : 'new version' }
    }
    try {
      const sent = await this.sent(schema)
      const found = await this.#registry.find(subject, sent)
      if (typeof found === 'object') return { word: 'same', version: found.version, id: found.id }
      const judged = await this.#registry.compatibility(subject, sent)
      if (judged?.isCompatible !== false) return { word: found === 'no-subject' ? 'new subject' : 'new version' }
      return { word: 'refused', reason: judged.reasons.join('; ') || 'not compatible; the registry says no more' }
    } catch (error) {
      if (!isTroupeError(error) || error.code !== 'SCHEMA_INCOMPATIBLE') throw error
      return { word: 'refused', reason: error.message }
    }
  }
}
