/** The parent process of `troupe run --instances N`: it has the HTTP port and the children, and handles no records. */
import client from 'prom-client'
import { systemClock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { Lookout } from '../../lookout.ts'
import { instanceMetrics } from '../../metrics/metrics.ts'
import type { ResolvedApp } from '../../options/options.ts'
import type { EngineEnd } from '../engine.ts'
import { startHttpServer, type HttpServer } from '../http/http-server.ts'
import { forkInstance } from './instance-process.ts'
import type { InstanceTask } from './instance-protocol.ts'
import { instanceStates, Instances } from './instances.ts'
import { MergedMetrics, type MetricSnapshot } from './merged-metrics.ts'
import { processRegistry } from '../http/process-registry.ts'

export interface InstancesRun extends Pick<InstanceTask, 'module' | 'flags'> {
  readonly options: ResolvedApp
  readonly log: Log
  /** Aborting it drains and ends all of them. */
  readonly signal: AbortSignal
}

export interface RunningInstances {
  /** Resolves when all have ended, and says how. Never rejects. */
  readonly finished: Promise<EngineEnd>
  /** Ends them at once. */
  kill(): void
}

/** How the parent's own process goes by in the label `instance`. */
const PARENT = 'parent'

/** To stop, beyond the drain: sinks and clients close, threads end. */
const STOP_GRACE_MS = 30_000

/** Starts them. Rejects with PORT_IN_USE, or OPTIONS_INVALID where the parent cannot listen. */
export async function startInstances({ flags, log, module, options, signal }: InstancesRun): Promise<RunningInstances> {
  const metrics = new MergedMetrics()
  const lookout = new Lookout(systemClock)
  const instances = new Instances({
    count: options.instances,
    launch: (instance) => forkInstance({ instance, module, flags }, lookout),
    restart: options.restart,
    stopTimeoutMs: options.drainTimeoutMs + STOP_GRACE_MS,
    clock: lookout,
    log,
    metrics,
  })
  const registry = await processRegistry()
  addInstanceMetrics(registry, instances)
  let scrapes = 0
  const scrape = async (): Promise<string> => {
    await instances.refreshMetrics()
    scrapes += 1
    metrics.note(PARENT, scrapes, (await registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[])
    return await metrics.metrics()
  }
  let server: HttpServer | null = null
  if (options.http.port !== null) {
    server = await startHttpServer({
      port: options.http.port,
      host: options.http.host,
      token: options.http.token,
      registry: { contentType: registry.contentType, metrics: scrape },
      instances,
      log,
    })
  }
  const onAbort = (): void => {
    instances.stop()
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  lookout.start()
  instances.start()
  return {
    finished: instances.finished.then(async (end) => {
      signal.removeEventListener('abort', onAbort)
      lookout.stop()
      await server?.close()
      return end
    }),
    kill: () => {
      instances.kill()
    },
  }
}

function addInstanceMetrics(registry: client.Registry, group: Pick<Instances, 'all'>): void {
  const { instances, restarts } = instanceMetrics
  const registers = [registry]
  new client.Gauge({
    name: instances.name,
    help: instances.help,
    labelNames: instances.labels,
    registers,
    collect() {
      for (const state of instanceStates) {
        this.set({ state }, group.all.filter((instance) => instance.state === state).length)
      }
    },
  })
  new client.Counter({
    name: restarts.name,
    help: restarts.help,
    registers,
    collect() {
      this.reset()
      this.inc(group.all.reduce((sum, instance) => sum + instance.restarts, 0))
    },
  })
}
