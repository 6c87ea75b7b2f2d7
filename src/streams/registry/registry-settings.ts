/** Where a schema registry is, and how to get in. */

/** A token, or what fetches one: asked again when the registry takes the old one no more. */
export type Token = string | (() => string | Promise<string>)

export interface RegistrySettings {
  /** Tried in turn, beginning with the one that answered last. */
  readonly url: readonly string[]
  readonly username: string | null
  readonly password: string | null
  readonly token: Token | null
  readonly headers: Readonly<Record<string, string>>
  /** PEM files. */
  readonly caFile: string | null
  readonly certFile: string | null
  readonly keyFile: string | null
  readonly keyPassphrase: string | null
  /** For a connection, TLS included. */
  readonly connectTimeoutMs: number
  /** For the whole answer. */
  readonly timeoutMs: number
}

/** Whether a text can be asked by HTTP: `http://host:8081`, with a path where there is one. */
export function isRegistryUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { hash, protocol, search } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && hash === '' && search === ''
}

/** As it may be shown: a user and a password within it are not. */
export function shownUrl(text: string): string {
  const url = new URL(text)
  const hasUser = url.username !== '' || url.password !== ''
  return `${url.protocol}//${hasUser ? '***@' : ''}${url.host}${url.pathname.replace(/\/+$/, '')}`
}

/** As users give it. */
export type GivenRegistry = Partial<Omit<RegistrySettings, 'url'>> & {
  /** One or more URLs, as a list or separated by commas. */
  readonly url?: string | readonly string[] | null
}
