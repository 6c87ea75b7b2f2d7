/** So a bare client reads ahead as Troupe's does. With the default of 64 MB half of the records would be there before counting begins. */
export const prefetch = {
  'fetch.message.max.bytes': 262_144,
  'queued.max.messages.kbytes': 16_384,
  'queued.min.messages': 10_000,
  'fetch.queue.backoff.ms': 20,
}
