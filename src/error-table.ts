/** The table of errors: code, meaning, and what the operator does now. `errors.ts` raises them. */

interface ErrorRow {
  /** What happened, for the docs. The message of an instance says what, where and whose fault. */
  readonly meaning: string
  /** True when the same thing may go well later without anybody changing anything. */
  readonly retryable: boolean
  /** What to do now. */
  readonly action: string
}

export const errorTable = {
  // --- start-up
  OPTIONS_INVALID: {
    meaning: 'One or more options are unknown, missing or out of range. All problems are listed.',
    retryable: false,
    action: 'Correct the options named in the message.',
  },
  APP_NOT_LOADED: {
    meaning: 'The app module could not be imported, or does not export an app as default.',
    retryable: false,
    action: 'Correct the path or the module; it has to `export default defineApp({…})`.',
  },
  HANDLER_NOT_LOADED: {
    meaning: 'A handler module could not be imported, or does not export a handler as default.',
    retryable: false,
    action: 'Correct the path in the app, or the module; the cause is part of the message.',
  },
  SHARED_NOT_LOADED: {
    meaning: 'A loader of the shared data threw, returned no bytes, or did not settle within a minute.',
    retryable: false,
    action: 'Correct the loader in `shared` of the app; the cause is part of the message.',
  },
  SETUP_FAILED: {
    meaning: "A handler's setup threw.",
    retryable: false,
    action: 'Correct what setup needs; the cause is part of the message.',
  },
  NATIVE_CLIENT_NOT_LOADED: {
    meaning: 'The native Kafka client is not built for this platform or Node.js version.',
    retryable: false,
    action: 'Run the command in the message.',
  },
  BUNDLED: {
    meaning:
      "A bundler has put Troupe into a file of the app, where it does not find its threads' program and its client.",
    retryable: false,
    action: 'Mark troupe external in the bundler, and make each handler module an entry of its own.',
  },
  NOT_MAIN_THREAD: {
    meaning: 'A supervisor or a producer was started in a worker thread, where the native Kafka client cannot load.',
    retryable: false,
    action: 'Call startSupervisor, or startProducer, on the main thread.',
  },
  BROKER_UNREACHABLE: {
    meaning: 'No broker answered.',
    retryable: true,
    action: 'Check kafka.brokers and that the brokers are up and reachable from here.',
  },
  BROKER_AUTHENTICATION: {
    meaning: 'The broker refused the credentials.',
    retryable: false,
    action: 'Check sasl.mechanisms, sasl.username and sasl.password in kafka.client.',
  },
  BROKER_TLS: {
    meaning: 'The TLS handshake with the broker failed.',
    retryable: false,
    action: 'Check security.protocol, the CA and the host name in the certificate.',
  },
  BROKER_PROTOCOL: {
    meaning: 'The broker spoke another protocol than expected, for instance TLS or SASL against plaintext.',
    retryable: false,
    action: 'Check security.protocol against the listener of the broker.',
  },
  NOT_AUTHORIZED: {
    meaning: 'The broker refuses this user the topic, the group or the transaction.',
    retryable: false,
    action: 'Grant the right named in the message.',
  },
  TOPIC_MISSING: {
    meaning: 'A topic that an actor reads or writes does not exist.',
    retryable: false,
    action: 'Create the topic, or correct its name.',
  },
  PARTITIONS_DIFFER: {
    meaning:
      'Topics that an actor reads side by side, such as its input and a table, have different numbers of partitions.',
    retryable: false,
    action: 'Write one of them to a new topic with as many partitions as the other, by the same keys.',
  },
  TABLE_NOT_READ: {
    meaning: 'The topic of a global table cannot be read on, so its rows would be out of date.',
    retryable: false,
    action: 'See the cause: a topic that was deleted, a right that was taken away. Then start again.',
  },
  SINK_MISSING: {
    meaning: 'A handler writes to a sink that the app does not configure.',
    retryable: false,
    action: 'Add the sink to `sinks` of the app, or correct the name.',
  },
  TABLE_MISSING: {
    meaning: 'A table, or a column of it, that a handler writes does not exist.',
    retryable: false,
    action: 'Create the table, or correct the name.',
  },
  DATABASE_UNREACHABLE: {
    meaning: 'The database did not answer or refused the log-in.',
    retryable: true,
    action: 'Check the URL, the user and that the server is up and reachable from here.',
  },
  SCHEMA_REGISTRY_MISSING: {
    meaning: 'A topic has a codec whose schemas a registry keeps, and no registry is named.',
    retryable: false,
    action:
      'Set schemaRegistry.url (SCHEMA_REGISTRY_URL). To try it out, startEmbeddedSchemaRegistry() of troupe/embedded brings one.',
  },
  SCHEMA_REGISTRY_UNREACHABLE: {
    meaning:
      'The schema registry did not answer, or answered with a failure of its own (5xx, 429, something that is no JSON).',
    retryable: true,
    action: 'Check schemaRegistry.url and that the registry is up and reachable from here. Nothing is lost meanwhile.',
  },
  SCHEMA_REGISTRY_REFUSED: {
    meaning: 'The schema registry refuses these credentials (401, 403).',
    retryable: true,
    action: 'Check the credentials in schemaRegistry, and the rights of this user on the subject.',
  },
  SCHEMA_MISSING: {
    meaning: 'A schema that the app writes with is not registered under its subject.',
    retryable: false,
    action: "Register it (`troupe schemas register`, or registerSchemas: 'on-start'), or correct the subject.",
  },
  SCHEMA_INCOMPATIBLE: {
    meaning: 'The schema registry refuses a schema: it is not valid, or not compatible with the versions before.',
    retryable: false,
    action: "Change the schema as the registry's reason in the message says, or the subject's compatibility level.",
  },
  SCHEMAS_WRONG: {
    meaning:
      'Schema files, as `troupe schemas` has found: what is no schema, does not go with its samples or older versions, or has types that are not its own.',
    retryable: false,
    action: 'Correct what is told above, a line each. After a change of schemas run `troupe schemas generate`.',
  },
  PORT_IN_USE: {
    meaning: 'The HTTP port is taken.',
    retryable: false,
    action: 'Choose another with --http-port (0: none), or stop what uses it.',
  },
  START_STOPPED: {
    meaning:
      'The supervisor was stopped before it had started. Everything is closed again; of a setup that hangs, what it opened when it ends.',
    retryable: true,
    action: 'Nothing: this is what was asked for.',
  },
  // --- in operation
  SCHEMA_UNKNOWN: {
    meaning: 'The registry has no schema of the id that a record names.',
    retryable: false,
    action: 'Find out who wrote the record, and with which registry. The dead letter has its bytes unchanged.',
  },
  THROTTLED: {
    meaning:
      'What a handler calls has asked to slow down (`ThrottledError`). The record goes again and the actor waits; no attempt is used up.',
    retryable: true,
    action: 'Nothing, if it passes. If it goes on, set `rate` or lower `concurrency` of the actor; see docs/pacing.md.',
  },
  FENCED: {
    meaning: 'Another member with the same group.instance.id took over.',
    retryable: false,
    action: 'Give each member its own groupInstanceId.',
  },
  OFFSET_OUT_OF_RANGE: {
    meaning: 'The committed position is not in the log any more (retention, or a topic made anew).',
    retryable: false,
    action: 'Decide with outOfRange: earliest or latest; the lost range is in the log.',
  },
  TOPIC_REPLACED: {
    meaning:
      'An input topic was deleted and made again. The consumer is restarted and reads the new one from its beginning.',
    retryable: true,
    action: 'Nothing, if that was meant: positions and completion maps of the old topic are of no account any more.',
  },
  COMPLETION_MAP_UNREADABLE: {
    meaning: 'The metadata of the commit is not a completion map of ours, or is damaged.',
    retryable: false,
    action: 'Set foreignMetadata: ignore to handle the records beyond the position again.',
  },
  SINK_UNAVAILABLE: {
    meaning: 'A sink cannot write for now. The engine waits and writes again.',
    retryable: true,
    action: 'Bring the destination back; intake goes on by itself.',
  },
  SINK_REFUSED: {
    meaning: 'A sink refused one output for good (not valid for the column, no such topic).',
    retryable: false,
    action: 'The record has failed for good; correct the handler or the destination.',
  },
  RECORD_TOO_LARGE: {
    meaning:
      'A record is larger than its topic, or our own producer, takes. The message says which of them refused it.',
    retryable: false,
    action:
      'The record has failed for good. Raise max.message.bytes of the topic, or set producer.compression, or message.max.bytes in kafka.client.',
  },
  DELIVERY_TIMEOUT: {
    meaning:
      'A record given to a producer was not acknowledged within deliveryTimeoutMs. It may be in the topic all the same, and another of its key may stand behind it.',
    retryable: true,
    action:
      'Bring the brokers back, or raise deliveryTimeoutMs. Who sends it again may double it: give it an id that readers know.',
  },
  PRODUCER_FULL: {
    meaning: 'As many records, or bytes, are pending in a producer as its limits allow, and trySend does not wait.',
    retryable: true,
    action: 'Refuse the work (503), or wait for room() or with send(). Raise maxPendingRecords or maxPendingBytes.',
  },
  PRODUCER_STOPPED: {
    meaning:
      'A record was given to a producer that is stopped, or was not acknowledged by the end of its drain. In the latter case it may be in the topic all the same.',
    retryable: false,
    action: 'Stop who sends before the producer, or raise drainTimeoutMs.',
  },
  DECODE_FAILED: {
    meaning: 'The bytes of a record are not what the codec expects; the cause says what is wrong in them.',
    retryable: false,
    action: 'Correct who writes the topic, or the codec. The record keeps its raw bytes.',
  },
  TIME_INVALID: {
    meaning: 'The `time` of a topic threw for a value, or returned what is no time: stream time was not moved by it.',
    retryable: false,
    action: 'Correct who writes the topic, or `time`. The record keeps its raw bytes.',
  },
  ENCODE_FAILED: {
    meaning:
      'An output of a handler, or a record for a producer, could not be encoded, or belongs to a destination that is not declared.',
    retryable: false,
    action: 'Correct the handler; list each destination in its `outputs`, or in `topics` of startProducer.',
  },
  OUTCOME_INVALID: {
    meaning: 'A handler returned something that is not an outcome.',
    retryable: false,
    action: 'Return done(), retry(), deadLetter() or skip().',
  },
  HANDLER_FAILED: {
    meaning:
      'A handler threw. For a record that failed for good: `onError` decided on that error, whatever attempts were left.',
    retryable: true,
    action:
      'The record is tried again while attempts are left. Name, message, causes and own code of the error say more.',
  },
  TERMINAL_ERROR: {
    meaning: 'A handler threw a TerminalError: no attempt would change it.',
    retryable: false,
    action: 'See its message; what becomes of the record says failedRecords of the actor.',
  },
  ATTEMPTS_EXHAUSTED: {
    meaning:
      'The last of `retry.attempts` has failed too. How many they were, and what the last one failed with, stands beside it.',
    retryable: false,
    action:
      "Mend what that error names and give the record back to the topic. For a service that may be away for long: attempts 'unlimited'.",
  },
  DEAD_LETTER: {
    meaning: 'The handler returned deadLetter(); its reason is the message.',
    retryable: false,
    action: 'Nothing, unless the reason surprises you.',
  },
  RETRY_ASKED: {
    meaning: 'The handler returned retry(). It is an attempt that counts.',
    retryable: true,
    action: 'Nothing: the record is tried again while attempts are left.',
  },
  HANDLER_TIMEOUT: {
    meaning: 'A handler took longer than handlerTimeoutMs.',
    retryable: true,
    action:
      'Raise handlerTimeoutMs, make the handler cheaper, or let it heed ctx.signal; the record is tried again while attempts are left.',
  },
  THREAD_DIED: {
    meaning: 'The worker thread ended while it handled this record (exit, uncaught error, out of memory).',
    retryable: true,
    action: 'The record is tried again while attempts are left; its batch mates go again at no cost.',
  },
  NO_DEAD_LETTER_TOPIC: {
    meaning: 'A record failed for good and the actor has no dead-letter topic, so the actor stopped on it.',
    retryable: false,
    action: 'Configure deadLetter for the actor, or correct the handler and start again.',
  },
  ACTOR_STOPPED: {
    meaning: 'A policy (failedRecords or onError) says to stop on a record that failed, so the actor stopped on it.',
    retryable: false,
    action: 'Correct the handler or what it needs, and start again.',
  },
  ESCALATED: {
    meaning: 'A policy (failedRecords or onError) says to end the supervisor on a record that failed.',
    retryable: false,
    action: 'Correct the handler or what it needs, and start again.',
  },
  NOT_PARKED: {
    meaning: 'A decision was asked for a record that is not parked in this process.',
    retryable: false,
    action: 'List what is parked (troupe parked, or GET /parked) in the process that owns the partition.',
  },
  DECISION_REFUSED: {
    meaning: 'A decision was asked for over HTTP without the token of the process, or the process has none.',
    retryable: false,
    action: 'Give the process http.token (TROUPE_HTTP_TOKEN), and the command the same in TROUPE_HTTP_TOKEN.',
  },
  PROCESS_UNREACHABLE: {
    meaning: 'The process that a command is meant for does not answer on its HTTP port, or refuses.',
    retryable: true,
    action: 'Check --url and that the process runs with http.port.',
  },
  INSTANCE_FAILED: {
    meaning: 'One of the processes of `instances` did not end as it was told to.',
    retryable: false,
    action: 'What it had in flight is handled again; its last lines in the log say more.',
  },
  RESTARTS_EXHAUSTED: {
    meaning: 'Something failed more often within the window than the restart policy allows.',
    retryable: false,
    action: 'The cause is part of the message.',
  },
  ANSWER_OVERDUE: {
    meaning:
      'Somebody who was asked (the Kafka client, a sink, a handler that closes) has not answered by the deadline.',
    retryable: true,
    action:
      'None, once: what was asked is asked again, or gone on without. If it repeats, look into what the message names.',
  },
  DRAIN_TIMEOUT: {
    meaning: 'Work in flight did not finish within drainTimeoutMs. It is handled again by the next owner.',
    retryable: true,
    action: 'Raise drainTimeoutMs, or make handlers and sinks faster.',
  },
  INTERNAL: {
    meaning: 'A bug in Troupe.',
    retryable: false,
    action: 'Please report it with the stack.',
  },
  // --- state and exactly-once
  TRANSACTION_NOT_ALLOWED: {
    meaning:
      'This user may not use the transactional id, may not write to a topic of the transaction, or not commit for the group.',
    retryable: false,
    action: 'Grant what the message names; `troupe check --connect` asks for every right that is needed.',
  },
  TRANSACTIONAL_ID_TAKEN: {
    meaning:
      'Another live process uses the same transactional id. Two would fence each other for ever, so this one has ended.',
    retryable: false,
    action: 'Give each process a kafka.transactionalId (or kafka.groupInstanceId) of its own.',
  },
  TRANSACTIONS_UNSUPPORTED: {
    meaning: 'The brokers are too old for exactly-once: it needs transactions with group metadata (Kafka 2.5).',
    retryable: false,
    action: 'Upgrade the brokers, or take guarantee: at-least-once and keep no state in handlers.',
  },
  TRANSACTION_REFUSED: {
    meaning:
      'The brokers refuse what one partition has to write in one transaction, in the smallest batches, though they take each of its records alone.',
    retryable: false,
    action:
      'Look at the settings of the topics in the message and of __consumer_offsets, and at the log of the brokers. Nothing was given up: the position stands before these records.',
  },
  TOPIC_NOT_ALLOWED: {
    meaning: 'This user may not make, read or describe a topic that the app needs for itself.',
    retryable: false,
    action: 'Grant the right, or make the topic with the command in the message.',
  },
  CHANGELOG_UNFIT: {
    meaning:
      'The changelog of an actor does not fit: other partitions than its input, or settings that would lose state.',
    retryable: false,
    action: 'Change the topic as the message says, or forget the state with `troupe reset`.',
  },
  REPARTITION_UNFIT: {
    meaning:
      'The topic by way of which records come to an actor under another key does not fit: it is missing though records were on their way, or has settings that would lose some.',
    retryable: false,
    action: 'Change the topic as the message says, or begin again with `troupe reset`.',
  },
  CHANGELOG_LOST: {
    meaning:
      'Positions are committed, and the changelog with the state that belongs to them is missing, was made anew, or ends before it.',
    retryable: false,
    action:
      'Restore the changelog topic, or forget state and positions with `troupe reset`: the input is then read again.',
  },
  STATE_AHEAD: {
    meaning:
      'An input is shorter than what its actor has counted already (an unclean election of a broker, for one), and outOfRange: earliest would count it twice.',
    retryable: false,
    action:
      'Set outOfRange: latest to keep the state and go on with new records, or forget state and positions with `troupe reset`.',
  },
  CHANGELOG_UNREADABLE: {
    meaning: 'A changelog has records that this version of Troupe cannot read.',
    retryable: false,
    action: 'Run the version that wrote them, or forget the state with `troupe reset`.',
  },
  STATE_CHANGED: {
    meaning: 'A handler declares a state in another way than the one that has written it: another codec, for one.',
    retryable: false,
    action: 'Give the state a new name, or forget the old one with `troupe reset`.',
  },
  STATE_INVALID: {
    meaning:
      'A handler gave a state a value that its codec cannot write, that is larger than maxBytes or than its changelog takes, or for a record without a key.',
    retryable: false,
    action: 'Look at the record named in the message; correct the handler, or raise the limit that the message names.',
  },
  GROUP_ACTIVE: {
    meaning: 'What an app has done cannot be forgotten while members of its group live.',
    retryable: false,
    action: 'Stop all processes of the group first; one that was killed counts until its session has timed out.',
  },
  NO_STATE: {
    meaning: 'The state was asked for of an actor that keeps none, or none of this name.',
    retryable: false,
    action: 'Ask for one of those that the message names.',
  },
  STATE_NOT_SHOWN: {
    meaning: 'State was asked for over HTTP without the token of the process, or the process has none.',
    retryable: false,
    action: 'Give the process http.token (TROUPE_HTTP_TOKEN), and the command the same in TROUPE_HTTP_TOKEN.',
  },
  METADATA_TOO_LONG: {
    meaning:
      'The brokers keep less text with a position than exactly-once needs to tell what is finished beyond it: offset.metadata.max.bytes is smaller than 4,096.',
    retryable: true,
    action:
      'Nothing is lost: the member begins again, and reads less far ahead. Set offset.metadata.max.bytes of the brokers to its default, 4,096.',
  },
  STORE_FAILED: {
    meaning:
      'The local store of a state could not be opened or written: no space, no right, or the directory is in use.',
    retryable: true,
    action: 'See the cause in the message. Nothing is lost: the store is restored from the changelog.',
  },
} as const satisfies Record<string, ErrorRow>
