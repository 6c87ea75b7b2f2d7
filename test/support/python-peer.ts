/**
 * Confluent's serializers for Python, in a process of their own: some 1 s to start, some 20 s to install, once. Suites say
 * `describe.skipIf(!pythonIsAvailable)`.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findMissingForPython, installPythonPeer } from '../../scripts/python-peer.mjs'

const missing = findMissingForPython()
if (missing !== undefined) console.warn(`\nSuites with Python's serializers are SKIPPED: ${missing}\n`)

export const pythonIsAvailable = missing === undefined

const program = fileURLToPath(new URL('python/avro_peer.py', import.meta.url))

/** Of a subject's version. */
export interface PeerReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

interface PeerSchema {
  readonly schema: string
  readonly references?: readonly PeerReference[]
}

export class PythonPeer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<unknown>
  #complaints = ''
  readonly #waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = []

  private constructor(python: string, registryUrl: string) {
    this.#child = spawn(python, [program, registryUrl])
    this.#ended = once(this.#child, 'close').then(() => {
      const error = new Error(`the Python peer has ended:\n${this.#complaints}`)
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
    this.#child.stderr.on('data', (bytes: Buffer) => (this.#complaints += bytes.toString()))
    createInterface(this.#child.stdout).on('line', (line) => {
      const { answer, error } = JSON.parse(line) as { answer?: unknown; error?: string }
      const asked = this.#waiting.shift()!
      if (error === undefined) asked.resolve(answer)
      else asked.reject(new Error(error))
    })
  }

  static async start(registryUrl: string): Promise<PythonPeer> {
    return new PythonPeer(await installPythonPeer((line) => console.log(`python: ${line}`)), registryUrl)
  }

  /** Registers the schema where it is new. `value` as Python writes it. */
  async serialize(topic: string, schema: PeerSchema, value: string): Promise<Buffer> {
    return Buffer.from((await this.#ask({ do: 'serialize', topic, ...schema, value })) as string, 'base64')
  }

  /** As Python writes it; `names`: records of unions with their names. Read by the writer's schema unless one is given. */
  async deserialize(topic: string, bytes: Uint8Array, how: Partial<PeerSchema> & { names?: boolean }): Promise<string> {
    const base64 = Buffer.from(bytes).toString('base64')
    return (await this.#ask({ do: 'deserialize', topic, bytes: base64, ...how })) as string
  }

  async register(subject: string, schema: PeerSchema): Promise<void> {
    await this.#ask({ do: 'register', subject, ...schema })
  }

  /** By Confluent's SerializingProducer. */
  async produce(
    question: PeerSchema & { brokers: string; topic: string; key: string; values: string[] },
  ): Promise<void> {
    await this.#ask({ do: 'produce', ...question })
  }

  /** By Confluent's DeserializingConsumer, from the beginning. */
  async consume(question: { brokers: string; topic: string; group: string; count: number }): Promise<string[]> {
    return (await this.#ask({ do: 'consume', ...question })) as string[]
  }

  async stop(): Promise<void> {
    this.#child.stdin.end()
    this.#child.kill()
    await this.#ended
  }

  #ask(question: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify(question)}\n`)
    })
  }
}
