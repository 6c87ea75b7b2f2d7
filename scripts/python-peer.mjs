// Confluent's client and serializers for Python, a peer that knows nothing of us.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findMissingPython, installPython } from './python.mjs'

const peer = {
  name: 'peer',
  title: "Confluent's client for Python",
  size: '86 MB',
  requirements: join(dirname(fileURLToPath(import.meta.url)), 'python', 'requirements.txt'),
}

/** @returns {string | undefined} */
export const findMissingForPython = () => findMissingPython(peer)

/**
 * @param {(line: string) => void} [log]
 * @returns {Promise<string>}
 */
export const installPythonPeer = (log) => installPython(peer, log)
