// The brokers' settings: Kafka's own defaults where they matter for correctness, short times where tests would wait.

/**
 * @typedef {{ id: number, host: string, port: number, internalPort: number, controllerPort: number, folder: string }} BrokerPlace
 */

/**
 * @param {BrokerPlace} place
 * @param {readonly BrokerPlace[]} all
 * @param {{ protocol: string, extra: Record<string, string> }} client how clients connect
 * @param {number} [door] the port that clients are told, where it is not the broker's own
 * @returns {Record<string, string>}
 */
export function makeBrokerSettings(place, all, client, door = place.port) {
  const copies = String(Math.min(3, all.length))
  const minInSync = all.length >= 3 ? '2' : '1'
  const { host } = place
  return {
    'process.roles': 'broker,controller',
    'node.id': String(place.id),
    'controller.quorum.voters': all.map((each) => `${each.id}@${each.host}:${each.controllerPort}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    // Brokers and controllers speak plain text among themselves, so that a client's TLS or SASL trouble is only the client's.
    listeners: `CLIENT://${host}:${place.port},INTERNAL://${host}:${place.internalPort},CONTROLLER://${host}:${place.controllerPort}`,
    'advertised.listeners': `CLIENT://${host}:${door},INTERNAL://${host}:${place.internalPort}`,
    'inter.broker.listener.name': 'INTERNAL',
    'listener.security.protocol.map': `CLIENT:${client.protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': `${place.folder}/data`,

    // A misspelt topic is an error, not a new topic.
    'auto.create.topics.enable': 'false',
    'default.replication.factor': copies,
    'min.insync.replicas': minInSync,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': minInSync,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': minInSync,
    // Fewer than Kafka's 50: they are made when first used, which a test would wait for.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.num.partitions': '4',

    // Groups: members join at once, and tests may use short sessions.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'group.consumer.heartbeat.interval.ms': '500',
    'group.consumer.min.heartbeat.interval.ms': '500',
    // Kafka's is 45 s. Members leave; one that starts again on a busy machine must not be given up.
    'group.consumer.session.timeout.ms': '30000',
    'group.consumer.min.session.timeout.ms': '1000',
    // A transaction left open by a killed producer is aborted soon after its time-out.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    // A killed broker is noticed after 5 s (Kafka: 9 s): shorter would fence healthy ones on a busy machine.
    'broker.session.timeout.ms': '5000',
    'broker.heartbeat.interval.ms': '1000',
    // Compaction within seconds for topics that ask for it; a small buffer, since 128 MB would be half the heap.
    'log.cleaner.backoff.ms': '1000',
    'log.cleaner.dedupe.buffer.size': '16777216',
    'num.network.threads': '2',
    'num.io.threads': '4',
    ...client.extra,
  }
}

/**
 * @param {Record<string, string>} settings
 */
export function formatProperties(settings) {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}
