/** A service of CommonJS, which comes to Troupe by `import()`. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

async function main(): Promise<void> {
  const { startSupervisor } = await import('troupe')
  const { startEmbeddedBroker } = await import('troupe/embedded')
  const { probe } = await import('./probe.js')
  const handler = pathToFileURL(join(__dirname, 'commonjs-taxes.cjs'))
  await probe({ startSupervisor, startEmbeddedBroker }, { handler, runOn: 'threads' })
}

main().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
