/** What a CPU profile says: the functions that a thread spent its time in, by themselves. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly startTime: number
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const idle = '(idle)'

/** The stretch that was measured. */
export interface ProfiledStretch {
  readonly clockUs: readonly [start: number, end: number]
  readonly records: number
}

/** For each thread that was profiled, its functions by their own time in that stretch, the dearest first. */
export function describeProfiles(folder: string, stretch: ProfiledStretch, functions = 30): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  return files.sort().flatMap((name) => {
    const file = join(folder, name)
    return [`\n${file}`, ...describe(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, stretch, functions)]
  })
}

function describe(
  profile: CpuProfile,
  { clockUs: [startUs, endUs], records }: ProfiledStretch,
  functions: number,
): string[] {
  let atUs = profile.startTime
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, number>()
  for (const [index, id] of profile.samples.entries()) {
    const tookUs = Math.max(0, profile.timeDeltas[index]!)
    atUs += profile.timeDeltas[index]!
    if (atUs < startUs || atUs > endUs) continue
    const { functionName, url, lineNumber } = frames.get(id)!
    const place = url === '' ? '' : ` ${url.replace(/^.*\/(?=(?:[^/]+\/){2}[^/]+$)/, '')}:${lineNumber + 1}`
    const name = `${functionName === '' ? '(anonymous)' : functionName}${place}`
    times.set(name, (times.get(name) ?? 0) + tookUs)
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
  const busy = `busy ${(busyUs / 1e6).toFixed(2)} s, idle ${(idleUs / 1e6).toFixed(2)} s`
  return [busy, ...rows]
}
