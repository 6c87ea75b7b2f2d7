/** What keeps us from running Confluent's serializers for Python here, and what to install; undefined when nothing does. */
export function findMissingForPython(): string | undefined

/** Installs them once, and resolves with the interpreter that has them. Needs no root. */
export function installPythonPeer(log?: (line: string) => void): Promise<string>
