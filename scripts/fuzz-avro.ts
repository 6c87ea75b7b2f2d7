/**
 * `npm run fuzz -- --payloads 1000000 --seed 4711`: changed Avro payloads, each of which has to be read or refused, in bounded
 * time and memory. Ends with 1 where one was neither.
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Random } from '../src/testing/random.ts'
import { fuzz } from '../test/streams/avro/fuzz.ts'

const { values } = parseArgs({
  options: { payloads: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
})
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const random = new Random(seed)
const steps = 10
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

console.log(`seed ${seed}`)
let isWell = true
for (let step = 1; step <= steps; step += 1) {
  const { faults, read, refused, slowestMs } = fuzz(Math.ceil(Number(values.payloads) / steps), random)
  collect()
  const { heapUsed, rss } = process.memoryUsage()
  const memory = `heap ${(heapUsed / 2 ** 20).toFixed(1)} MB, RSS ${(rss / 2 ** 20).toFixed(0)} MB`
  console.log(
    `${step}/${steps}: ${read} read, ${refused} refused, the slowest in ${slowestMs.toFixed(1)} ms; ${memory}`,
  )
  for (const fault of faults) console.log(`  ${fault}`)
  isWell &&= faults.length === 0
}
process.exitCode = isWell ? 0 : 1
