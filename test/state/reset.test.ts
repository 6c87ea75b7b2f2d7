import { expect, test } from 'vitest'
import { planReset, reset, type LocalStores } from '../../src/state/reset.ts'
import { FakeAdmin } from '../support/fake-admin.ts'

function admin(): FakeAdmin {
  const made = new FakeAdmin()
  for (const topic of ['orders', 'shop-count-changelog', 'other-count-changelog']) {
    made.topics.set(topic, { id: null, partitions: 1 })
  }
  made.committed = [{ topic: 'orders', partition: 0, position: 4 }]
  return made
}

/** Notes what is asked of it among what is asked of the brokers. */
function storesOf({ done }: FakeAdmin, inUse = false): LocalStores {
  const note = (word: string) => (): Promise<void> => {
    done.push(word)
    return Promise.resolve()
  }
  const take = inUse ? () => Promise.reject(new Error('in use')) : note('take')
  return { paths: [], take, remove: note('remove'), release: note('release') }
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

test('positions are forgotten before the changelogs, and what is on disk last; no topic of anybody else', async () => {
  const asked = admin()
  await reset(asked, await planReset(asked, 'shop', ['count', 'copy']), storesOf(asked))
  expect(asked.done).toEqual(['take', 'delete group shop', 'delete shop-count-changelog', 'remove', 'release'])
})

test('nothing is forgotten while a member lives', async () => {
  const asked = admin()
  asked.members = ['app-1-c0ffee']
  await expect(reset(asked, await planReset(asked, 'shop', ['count']), storesOf(asked))).rejects.toThrow(/app-1-c0ffee/)
  expect(asked.done).toEqual([])
})

test('nothing is forgotten while somebody has a store on this disk open', async () => {
  const asked = admin()
  const plan = await planReset(asked, 'shop', ['count'])
  await expect(reset(asked, plan, storesOf(asked, true))).rejects.toThrow('in use')
  expect(asked.done).toEqual([])
})

test('what is between an actor and its front is forgotten as well', async () => {
  const asked = admin()
  for (const topic of ['shop-count-repartition', 'shop-count-front-changelog', 'shop-sum-repartition']) {
    asked.topics.set(topic, { id: null, partitions: 1 })
  }
  const { topics } = await planReset(asked, 'shop', ['count'])
  expect(topics.toSorted()).toEqual(['shop-count-changelog', 'shop-count-front-changelog', 'shop-count-repartition'])
})
