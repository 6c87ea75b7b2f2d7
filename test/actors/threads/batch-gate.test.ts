import { expect, test } from 'vitest'
import { BatchGate } from '../../../src/actors/threads/batch-gate.ts'

function enter(gate: BatchGate, isAlone: boolean, order: string[], name: string): void {
  const room = gate.enter(isAlone)
  if (room === undefined) order.push(name)
  else void room.then(() => order.push(name))
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('batches come in side by side; a suspect waits until it is alone, and those after it wait for its end', async () => {
  const gate = new BatchGate()
  const order: string[] = []
  enter(gate, false, order, 'a')
  enter(gate, false, order, 'b')
  enter(gate, true, order, 'suspect')
  enter(gate, false, order, 'c')
  enter(gate, false, order, 'd')
  expect(order).toEqual(['a', 'b'])
  gate.leave()
  await settle()
  expect(order).toEqual(['a', 'b'])
  gate.leave()
  await settle()
  expect(order).toEqual(['a', 'b', 'suspect'])
  gate.leave()
  await settle()
  expect(order).toEqual(['a', 'b', 'suspect', 'c', 'd'])
})

test('suspects go one after the other', async () => {
  const gate = new BatchGate()
  const order: string[] = []
  enter(gate, true, order, '1')
  enter(gate, true, order, '2')
  enter(gate, true, order, '3')
  expect(order).toEqual(['1'])
  gate.leave()
  await settle()
  expect(order).toEqual(['1', '2'])
  gate.leave()
  await settle()
  expect(order).toEqual(['1', '2', '3'])
})
