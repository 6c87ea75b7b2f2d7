/**
 * Forgetting what an app's group has done: its committed positions, and the changelogs with the state that belongs to them.
 * Both or neither, or the next start would find one without the other. Stores on this machine's disk go as well. Those on others'
 * notice by themselves, when they are opened next: the changelog that they are of is gone.
 */
import { TroupeError } from '../errors.ts'
import type { BrokerAdmin } from '../streams/admin-port.ts'
import { frontName, repartitionTopic } from '../operators/regroup/regrouped.ts'
import { changelogTopic } from './changelog-topic.ts'

export interface ResetPlan {
  readonly groupId: string
  /** Changelogs and repartition topics that are there. */
  readonly topics: readonly string[]
  /** Ids of members that live: nothing may be forgotten before they have gone. */
  readonly members: readonly string[]
}

/** Stores on disk that nobody may have open while they are forgotten. */
export interface LocalStores {
  readonly paths: readonly string[]
  take(): Promise<void>
  remove(): Promise<void>
  release(): Promise<void>
}

export async function planReset(
  admin: Pick<BrokerAdmin, 'describeTopics' | 'groupMembers'>,
  groupId: string,
  actors: readonly string[],
): Promise<ResetPlan> {
  // Those of fronts as well: whether an actor has one, only its module knows.
  const topics = actors.flatMap((actor) => [
    changelogTopic(groupId, actor),
    changelogTopic(groupId, frontName(actor)),
    repartitionTopic(groupId, actor),
  ])
  const there = await admin.describeTopics(topics)
  return { groupId, topics: [...there.keys()], members: await admin.groupMembers(groupId) }
}

/**
 * Rejects with GROUP_ACTIVE while members live, and with STORE_FAILED while somebody has a local store open. Positions go first: should the rest fail, the next start finds state
 * without positions, and refuses it.
 */
export async function reset(
  admin: Pick<BrokerAdmin, 'deleteGroup' | 'deleteTopics'>,
  { groupId, members, topics }: ResetPlan,
  local: LocalStores,
): Promise<void> {
  if (members.length > 0) {
    const shown = members.slice(0, 5).join(', ')
    throw new TroupeError(
      'GROUP_ACTIVE',
      `group ${groupId} has ${members.length} live members (${shown}): stop them first; one that was killed counts until its session has timed out`,
    )
  }
  await local.take()
  try {
    await admin.deleteGroup(groupId)
    await admin.deleteTopics(topics)
    await local.remove()
  } finally {
    await local.release()
  }
}
