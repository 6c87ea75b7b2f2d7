/** What keeps us from starting Kafka on this machine, and what to install; undefined when nothing does. */
export function findWhatIsMissing(): string | undefined

/** Java and the Kafka jars, fetched when they are not there yet. */
export function prepareKafka(
  log: (line: string) => void,
): Promise<{ readonly java: string; readonly classPath: string; readonly archive: string }>
