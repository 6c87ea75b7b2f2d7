import { expect, test } from 'vitest'
import { planReset, reset } from '../../src/state/reset.ts'
import { FakeAdmin } from '../support/fake-admin.ts'

function admin(): FakeAdmin {
  const made = new FakeAdmin()
  for (const topic of ['orders', 'shop-count-changelog', 'other-count-changelog']) {
    made.topics.set(topic, { id: null, partitions: 1 })
  }
  made.committed = [{ topic: 'orders', partition: 0, position: 4 }]
  return made
}

test('a plan names what is there, and changes nothing', async () => {
  const asked = admin()
  expect(await planReset(asked, 'shop', ['count', 'copy'])).toEqual({
    groupId: 'shop',
    topics: ['shop-count-changelog'],
    members: [],
  })
  expect(asked.done).toEqual([])
})

test('positions are forgotten before the changelogs, and no topic of anybody else', async () => {
  const asked = admin()
  await reset(asked, await planReset(asked, 'shop', ['count', 'copy']))
  expect(asked.done).toEqual(['delete group shop', 'delete shop-count-changelog'])
})

test('nothing is forgotten while a member lives', async () => {
  const asked = admin()
  asked.members = ['app-1-c0ffee']
  await expect(reset(asked, await planReset(asked, 'shop', ['count']))).rejects.toThrow(/app-1-c0ffee/)
  expect(asked.done).toEqual([])
})
