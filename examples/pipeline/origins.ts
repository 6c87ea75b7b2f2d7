/** Which record an output or a dead letter came from, as its headers say. */
import type { KafkaMessage } from 'kafkajs'
import type { Place } from './marks.ts'

/** Of an output, where the actor has `idHeader`. undefined: it is not of a record of this topic. */
export function causeOf(message: KafkaMessage, input: string): Place | undefined {
  // `user_clicks/3/1234/0`: the record it was made from, and the number of the output.
  const [topic, partition, offset] = readHeader(message, 'troupe-id').split('/')
  return topic === input ? { partition: Number(partition), offset: Number(offset) } : undefined
}

/** Of a dead letter. undefined: it is not of a record of this topic. */
export function originOf(letter: KafkaMessage, input: string): Place | undefined {
  if (readHeader(letter, 'troupe.topic') !== input) return undefined
  return {
    partition: Number(readHeader(letter, 'troupe.partition')),
    offset: Number(readHeader(letter, 'troupe.offset')),
  }
}

function readHeader(message: KafkaMessage, name: string): string {
  const value = message.headers?.[name]
  // The last one: a producer may have sent a header of the same name.
  return (Array.isArray(value) ? value.at(-1) : value)?.toString() ?? ''
}
