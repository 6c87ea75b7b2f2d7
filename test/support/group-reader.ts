/** Who is in a consumer group and owns what, whichever of Kafka's two group protocols it speaks. */
import { AssignerProtocol } from 'kafkajs'
import type { Admin, Kafka } from 'kafkajs'
import { Decoder, Encoder, openCluster } from './kafkajs-internals.ts'

export interface GroupMember {
  readonly memberId: string
  readonly clientId: string
  /** Partitions by topic. */
  readonly assignment: Readonly<Record<string, readonly number[]>>
}

interface DescribedGroup {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly members: GroupMember[]
}

/** Empty when there is no such group. */
export async function readGroupMembers(kafka: Kafka, admin: Admin, groupId: string): Promise<GroupMember[]> {
  const { groups } = await admin.describeGroups([groupId])
  const members = groups[0]?.members ?? []
  // A group of the newer protocol looks empty to the older request.
  if (members.length === 0) return (await readNewerGroup(kafka, groupId)).map(sorted)
  const described = members.map(({ memberId, clientId, memberAssignment }) => {
    // Empty while the group is rebalancing.
    const decoded = memberAssignment.length > 0 ? AssignerProtocol.MemberAssignment.decode(memberAssignment) : null
    return { memberId, clientId, assignment: decoded?.assignment ?? {} }
  })
  return described.map(sorted)
}

function sorted(member: GroupMember): GroupMember {
  const topics = Object.entries(member.assignment).map(([topic, partitions]) => [
    topic,
    partitions.toSorted((a, b) => a - b),
  ])
  return { ...member, assignment: Object.fromEntries(topics) as Record<string, number[]> }
}

const groupIdNotFound = 69

/** ConsumerGroupDescribe (69), version 0. */
async function readNewerGroup(kafka: Kafka, groupId: string): Promise<GroupMember[]> {
  const coordinator = await (await openCluster(kafka)).findGroupCoordinator({ groupId })
  const groups = (await coordinator.connectionPool.send({
    request: {
      apiKey: 69,
      apiVersion: 0,
      apiName: 'ConsumerGroupDescribe',
      encode: async () =>
        new Encoder()
          .writeUVarIntBytes()
          .writeUVarIntArray([new Encoder().writeUVarIntString(groupId)])
          .writeBoolean(false)
          .writeUVarIntBytes(),
    },
    response: { decode: async (data: Buffer) => decodeGroups(data), parse: async (groups: unknown) => groups },
  })) as DescribedGroup[]
  const group = groups[0]
  if (group === undefined || group.errorCode === groupIdNotFound) return []
  if (group.errorCode !== 0) throw new Error(`group ${groupId}: ${group.errorMessage ?? `error ${group.errorCode}`}`)
  return group.members
}

function decodeGroups(data: Buffer): DescribedGroup[] {
  const decoder = new Decoder(data)
  decoder.readTaggedFields()
  decoder.readInt32() // throttle time
  return decoder.readUVarIntArray(decodeGroup) ?? []
}

function decodeGroup(decoder: Decoder): DescribedGroup {
  const errorCode = decoder.readInt16()
  const errorMessage = decoder.readUVarIntString()
  decoder.readUVarIntString() // group id
  decoder.readUVarIntString() // state
  decoder.readInt32() // group epoch
  decoder.readInt32() // assignment epoch
  decoder.readUVarIntString() // assignor
  const members = decoder.readUVarIntArray(decodeMember) ?? []
  decoder.readInt32() // authorized operations
  decoder.readTaggedFields()
  return { errorCode, errorMessage, members }
}

function decodeMember(decoder: Decoder): GroupMember {
  const memberId = decoder.readUVarIntString() ?? ''
  decoder.readUVarIntString() // instance id
  decoder.readUVarIntString() // rack
  decoder.readInt32() // member epoch
  const clientId = decoder.readUVarIntString() ?? ''
  decoder.readUVarIntString() // host
  decoder.readUVarIntArray((each) => each.readUVarIntString()) // subscribed topics
  decoder.readUVarIntString() // subscribed pattern
  const assignment = decodeAssignment(decoder)
  decodeAssignment(decoder) // where it is heading
  decoder.readTaggedFields()
  return { memberId, clientId, assignment }
}

function decodeAssignment(decoder: Decoder): Record<string, number[]> {
  const topics = decoder.readUVarIntArray((each) => {
    each.readBytes(16) // topic id
    const name = each.readUVarIntString() ?? ''
    const partitions = each.readUVarIntArray((number) => number.readInt32()) ?? []
    each.readTaggedFields()
    return [name, partitions] as const
  })
  decoder.readTaggedFields()
  return Object.fromEntries(topics ?? [])
}
