import { expect, test } from 'vitest'
import { startSupervisor } from '../../src/supervisor/supervisor.ts'

const app = { kafka: { brokers: '127.0.0.1:1', groupId: 'group' }, actors: [] }

test.each([
  [{ log: console.log }, 'lacks debug, info, warn, error: give a logger such as pino'],
  [{ log: { info: () => undefined } }, 'lacks debug, warn, error'],
  [{ logger: console }, 'logger: unknown; there are signal, log, registry and sources'],
  [null, 'null, which is no object'],
])('options of startSupervisor that are none are refused before anything starts: %o', async (start, message) => {
  await expect(startSupervisor(app, start as never)).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
    message: expect.stringContaining(message) as string,
  })
})
