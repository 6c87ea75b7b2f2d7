/** The supervisor of a pipeline's app in this process. */
import { defineApp, isTroupeError, startSupervisor, type App, type Supervisor } from 'troupe'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Sample } from './view-numbers.ts'

const HTTP_HOST = '127.0.0.1'
const HTTP_PORT = 9464

export interface SuperviseOptions {
  readonly app: App
  /** 0: none; undefined: 9464, or another when that is taken. */
  readonly httpPort: number | undefined
  /** What the engine has to say to people. */
  readonly say: (line: string) => void
}

export async function superviseApp({ app, httpPort, say }: SuperviseOptions): Promise<Supervisor> {
  const start = async (port: number): Promise<Supervisor> =>
    await startSupervisor(defineApp({ ...app.definition, http: { host: HTTP_HOST, port: port === 0 ? null : port } }), {
      log: {
        debug: () => undefined,
        info: () => undefined,
        warn: (_, message) => say(`warning: ${message}`),
        error: (_, message) => say(`error: ${message}`),
      },
    })
  try {
    return await start(httpPort ?? HTTP_PORT)
  } catch (error) {
    // Nobody asked for that very port, and another pipeline may run here.
    if (httpPort === undefined && isTroupeError(error) && error.code === 'PORT_IN_USE') {
      return await start(await findFreePort())
    }
    throw error
  }
}

export function describeHttp({ httpPort }: Supervisor): string {
  return httpPort === null ? 'no metrics (--http-port 0)' : `metrics at http://${HTTP_HOST}:${String(httpPort)}/metrics`
}

/** What a scrape would read. */
export async function readSamples({ registry }: Supervisor): Promise<readonly Sample[]> {
  const metrics = await registry.getMetricsAsJSON()
  return metrics.flatMap(({ name, values }) =>
    values.map(({ labels, value, ...rest }) => ({
      // The parts of a histogram have names of their own.
      name: (rest as { readonly metricName?: string }).metricName ?? name,
      labels: labels as Sample['labels'],
      value,
    })),
  )
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, HTTP_HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}
