import { describe, expect, test } from 'vitest'
import { commitResult, fatalTrouble } from '../../../../src/streams/kafka/consumer/consumer-errors.ts'

const error = (code: number): { code: number; message: string } => ({ code, message: `error ${code}` })

// Case 12. The client says by a revoke when a refusal for the generation means that the assignment is lost. When it does
// not, it keeps its partitions, and whoever fences them would leave them without an owner for ever.
describe('a refused commit', () => {
  test.each([
    ['rebalance in progress', 27],
    ['the generation before the one that a rebalance has begun', 22],
    ['the member epoch before the one that the next heartbeat brings', 113],
  ])('%s: it is made again later', (_, code) => {
    expect(commitResult(error(code))).toBe('deferred')
  })

  test.each([
    ['unknown member', 25],
    ['fenced instance id', 82],
    ['fenced member epoch', 110],
  ])('%s: the partitions belong to others', (_, code) => {
    expect(commitResult(error(code))).toBe('fenced')
  })

  test('a map that is too long is known as such', () => {
    expect(commitResult(error(12))).toBe('too-large')
  })
})

// Case 19: which of two members is fenced differs by protocol, the cause does not.
test.each([
  'Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id: OffsetCommit',
  'Fatal error: Broker: The instance ID is still used by another member in the consumer group: ConsumerGroupHeartbeat',
])('two members with one groupInstanceId: the message names the option (%s)', (message) => {
  expect(fatalTrouble({ severity: 3, fac: 'FATAL', message })).toMatchObject({
    code: 'FENCED',
    severity: 'fatal',
    message: expect.stringMatching(/groupInstanceId/) as string,
  })
})
