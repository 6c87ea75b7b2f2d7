/** What a CPU profile says: the functions that a thread spent its time in, by themselves. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const idle = '(idle)'

/** For each thread that was profiled, its functions by their own time, the dearest first. */
export function describeProfiles(folder: string, records: number, functions = 30): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  return files.sort().flatMap((name) => {
    const file = join(folder, name)
    return [`\n${file}`, ...describe(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, records, functions)]
  })
}

function describe(profile: CpuProfile, records: number, functions: number): string[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, number>()
  for (const [index, id] of profile.samples.entries()) {
    const { functionName, url, lineNumber } = frames.get(id)!
    const place = url === '' ? '' : ` ${url.replace(/^.*\/(?=(?:[^/]+\/){2}[^/]+$)/, '')}:${lineNumber + 1}`
    const name = `${functionName === '' ? '(anonymous)' : functionName}${place}`
    times.set(name, (times.get(name) ?? 0) + Math.max(0, profile.timeDeltas[index]!))
  }
  const idleUs = times.get(idle) ?? 0
  times.delete(idle)
  const busyUs = [...times.values()].reduce((sum, us) => sum + us, 0)
  const rows = [...times]
    .sort((a, b) => b[1] - a[1])
    .slice(0, functions)
    .map(([name, us]) => {
      const share = ((100 * us) / busyUs).toFixed(1).padStart(5)
      return `${share} %  ${(us / records).toFixed(3).padStart(7)} µs/record  ${name}`
    })
  const busy = `busy ${(busyUs / 1e6).toFixed(2)} s, idle ${(idleUs / 1e6).toFixed(2)} s, start included`
  return [busy, ...rows]
}
