/** What the registry refuses, with the codes that clients of Confluent's know. */

type Status = 400 | 404 | 409 | 413 | 422

export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly status: Status
  /** Its first three digits are the status; often there are two more. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
    this.status = Number(String(code).slice(0, 3)) as Status
  }
}

export const subjectMissing = (subject: string): RegistryError =>
  new RegistryError(40401, `Subject '${subject}' not found.`)

export const versionMissing = (version: number): RegistryError =>
  new RegistryError(40402, `Version ${version} not found.`)

export const schemaMissing = (id: string): RegistryError => new RegistryError(40403, `Schema ${id} not found`)

export const schemaNotInSubject = (): RegistryError => new RegistryError(40403, 'Schema not found')

export const subjectDeleted = (subject: string): RegistryError =>
  new RegistryError(40404, `Subject '${subject}' was soft deleted. Set permanent=true to delete permanently`)

export const subjectNotDeleted = (subject: string): RegistryError =>
  new RegistryError(40405, `Subject '${subject}' was not deleted first before being permanently deleted`)

export const versionDeleted = (subject: string, version: number): RegistryError =>
  new RegistryError(
    40406,
    `Subject '${subject}' Version ${version} was soft deleted. Set permanent=true to delete permanently`,
  )

export const versionNotDeleted = (subject: string, version: number): RegistryError =>
  new RegistryError(
    40407,
    `Subject '${subject}' Version ${version} was not deleted first before being permanently deleted`,
  )

export const levelNotConfigured = (subject: string): RegistryError =>
  new RegistryError(40408, `Subject '${subject}' does not have subject-level compatibility configured`)

export const modeNotConfigured = (subject: string): RegistryError =>
  new RegistryError(40409, `Subject '${subject}' does not have subject-level mode configured`)

export const schemaIncompatible = (subject: string, details: readonly string[]): RegistryError =>
  new RegistryError(
    409,
    `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${details.join(', ')}]`,
  )

export const schemaInvalid = (reason: string): RegistryError => new RegistryError(42201, `Invalid schema: ${reason}`)

export const versionInvalid = (version: string): RegistryError =>
  new RegistryError(
    42202,
    `The specified version '${version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  )

export const levelInvalid = (): RegistryError =>
  new RegistryError(
    42203,
    'Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive',
  )

export const notPermitted = (reason: string): RegistryError => new RegistryError(42205, reason)

export const referenceExists = (subject: string, version: number): RegistryError =>
  new RegistryError(42206, `One or more references exist to the schema {subject=${subject},version=${version}}.`)
