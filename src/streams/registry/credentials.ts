/** How a registry is told who asks: basic, or a bearer token that is fetched when it is needed. */
import { within } from '../../clock.ts'
import type { RegistrySettings, Token } from './registry-settings.ts'

/** Any header may be a key to get in. One that is shorter is none, and masked it would spoil every other word. */
const SHORTEST_KEY = 6

type CredentialSettings = Pick<RegistrySettings, 'username' | 'password' | 'token' | 'headers' | 'timeoutMs'>

export class Credentials {
  readonly #settings: CredentialSettings
  /** The token in use. One fetch for all who ask meanwhile. */
  #token: Promise<string> | null = null
  /** The header made of it. */
  #bearer: string | null = null
  /** What must not be shown. */
  readonly #secrets = new Set<string>()

  constructor(settings: CredentialSettings) {
    this.#settings = settings
    if (settings.password !== null) this.#secrets.add(settings.password)
    for (const value of Object.values(settings.headers)) {
      for (const word of value.split(' ')) if (word.length >= SHORTEST_KEY) this.#secrets.add(word)
    }
  }

  /** The header for a question to this URL; null: none. Rejects with what the function that fetches a token threw. */
  async header(url: URL): Promise<string | null> {
    const { password, token, username } = this.#settings
    if (token !== null) {
      this.#token ??= this.#fetch(token)
      const fetched = this.#token
      try {
        this.#bearer = this.#secret(`Bearer ${await fetched}`)
        return this.#bearer
      } catch (error) {
        if (this.#token === fetched) this.#token = null
        throw error
      }
    }
    const user = username ?? decodeURIComponent(url.username)
    const secret = password ?? decodeURIComponent(url.password)
    if (user === '' && secret === '') return null
    this.#secrets.add(secret)
    return this.#secret(`Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`)
  }

  /** The registry has refused this header. True: another token may be had. */
  renew(header: string | null): boolean {
    if (typeof this.#settings.token !== 'function' || header === null) return false
    // Of several who were refused with it, one has the next one fetched.
    if (header === this.#bearer) {
      this.#token = null
      this.#bearer = null
      this.#secrets.delete(header.slice(header.indexOf(' ') + 1))
    }
    return true
  }

  /** Whoever echoes a question must not bring its secrets into the log. */
  masked(text: string): string {
    return [...this.#secrets].reduce((shown, secret) => (secret === '' ? shown : shown.replaceAll(secret, '***')), text)
  }

  #secret(header: string): string {
    this.#secrets.add(header.slice(header.indexOf(' ') + 1))
    return header
  }

  async #fetch(token: Token): Promise<string> {
    const { timeoutMs } = this.#settings
    if (typeof token === 'string') return token
    const late = (): Error => new Error(`schemaRegistry.token has not given a token within ${timeoutMs} ms`)
    const fetched: unknown = await within(Promise.resolve(token()), timeoutMs, late)
    if (typeof fetched !== 'string' || !/^[\x21-\x7e]+$/.test(fetched)) {
      throw new Error('schemaRegistry.token gave something else than a token: one text without blanks')
    }
    return fetched
  }
}
