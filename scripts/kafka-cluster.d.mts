/** A broker of a running cluster. */
export interface KafkaBroker {
  readonly id: number
  readonly port: number
  /** Undefined while it does not run. */
  readonly pid: number | undefined
  readonly logFile: string
  /** Ends it in order (SIGTERM). */
  stop(): Promise<void>
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data; resolves when it answers. */
  start(): Promise<void>
  /** Freezes it (SIGSTOP): connections stay open, nothing answers. */
  pause(): void
  resume(): void
}

export interface KafkaCluster {
  /** Comma-separated, as clients want it. */
  readonly bootstrapServers: string
  /** Where the brokers talk to each other, in plain text: a way in that `advertise` does not change. */
  readonly internalServers: string
  readonly brokers: readonly KafkaBroker[]
  /** The cluster's temporary folder. */
  readonly folder: string
  /** With `tls`: the authority that signed the brokers' certificate. */
  readonly caFile: string | undefined
  /** With `tls`: an authority that did not. */
  readonly wrongCaFile: string | undefined
  /** Ends all brokers and removes the folder. */
  stop(): Promise<void>
}

export interface KafkaOptions {
  /** Default 1. */
  readonly brokers?: 1 | 3 | undefined
  /** The first broker's port (the next ones follow); free ones by default. */
  readonly port?: number | undefined
  /** Clients must log in by SCRAM-SHA-512 as one of these. */
  readonly sasl?: readonly { readonly username: string; readonly password: string }[] | undefined
  /** Clients must speak TLS. Needs openssl. */
  readonly tls?: boolean | undefined
  /** Called once a broker, before it starts: the port that clients are told instead of the broker's, a proxy's for example. */
  readonly advertise?:
    ((broker: { readonly id: number; readonly host: string; readonly port: number }) => Promise<number>) | undefined
  /** Broker properties, over ours. */
  readonly properties?: Readonly<Record<string, string>> | undefined
  /** Heap of each broker; default 512. */
  readonly heapMb?: number | undefined
  /** JVM options after ours, e.g. `-XX:TieredStopAtLevel=4` for a long benchmark. */
  readonly javaOptions?: readonly string[] | undefined
  readonly log?: ((line: string) => void) | undefined
}

/** Starts Apache Kafka 4.1 (KRaft) on this machine; resolves when every broker answers and knows all others. */
export function startKafka(options?: KafkaOptions): Promise<KafkaCluster>

/** What keeps `startKafka` from working on this machine, and what to install; undefined when nothing does. */
export function findWhatIsMissing(): string | undefined

/** Whether a Docker engine answers. */
export function dockerIsUsable(): boolean

/** Java, Maven or a folder for the fetched jars is missing. */
export class KafkaMissingError extends Error {}
