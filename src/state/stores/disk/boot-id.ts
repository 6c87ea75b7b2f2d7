/** Which boot of the machine this is; null: it does not tell. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export async function readBootId(): Promise<string | null> {
  try {
    if (process.platform === 'linux') return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
    return (await promisify(execFile)('sysctl', ['-n', 'kern.bootsessionuuid'])).stdout.trim()
  } catch {
    return null
  }
}
