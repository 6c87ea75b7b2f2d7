// Who may import whom, in the sources: types and dynamic imports count. What is reached while running
// is for .dependency-cruiser-runtime.cjs to say.

/** These packages stand behind one file each, or a folder: replacing one is a change in one place. */
const adapters = {
  '@confluentinc/kafka-javascript': '^src/(streams/kafka/native[.]ts$|embedded/)',
  pg: '^src/(streams/postgres/|embedded/)',
  'prom-client': '^src/(metrics|supervisor)/',
  '@hono/node-server': '^src/(supervisor/http|embedded/schema-registry)/',
  hono: '^src/(supervisor/http|embedded/schema-registry)/',
  commander: '^src/supervisor/cli/',
  piscina: '^src/actors/threads/',
  avsc: '^src/streams/avro/',
  lmdb: '^src/state/stores/disk/',
}

/** What a room may not reach: its files would know of something that is none of their business. */
const rooms = [
  {
    name: 'positions-are-pure',
    comment: 'Which records are finished is decided without Kafka, sinks or clocks.',
    from: '^src/streams/positions/',
    to: '^src/(?!streams/(positions/|record[.]ts$|broker-port[.]ts$)|errors[.]ts$)',
  },
  {
    name: 'flows-know-no-destination',
    comment: 'Handlers name topics and tables on threads, where nothing is written.',
    from: '^src/streams/flows/',
    to: '^src/streams/(kafka|postgres|positions)/',
  },
  {
    name: 'delivery-writes-through-ports',
    comment: 'Who writes and commits is given; see broker-port.ts and sink.ts.',
    from: '^src/streams/delivery/',
    to: '^src/streams/(kafka|postgres)/',
  },
  {
    name: 'producing-writes-through-the-port',
    comment: 'Only its start knows real Kafka; tests bring a broker of their own.',
    from: '^src/streams/producing/(?!start-producer[.]ts$)',
    to: '^src/streams/(kafka|postgres|delivery|positions)/',
  },
  {
    name: 'kafka-decides-nothing',
    comment: 'The client stands behind the broker port, and knows nothing of sinks, commits or maps.',
    from: '^src/streams/kafka/',
    to: '^src/streams/(delivery|positions|postgres|flows|producing)/',
  },
  {
    name: 'stores-keep-bytes',
    comment: 'What keys and values mean, and what Kafka has of them, is for others to know.',
    from: '^src/state/stores/',
    to: '^src/(?!state/(stores/|store[.]ts$)|options/|(clock|errors|log)[.]ts$)',
  },
  {
    name: 'restore-reads-and-writes-nothing-back',
    comment:
      'It reads a changelog into a store: whose state it is, and what a handler makes of it, is for others to know.',
    from: '^src/state/restore/',
    to: '^src/(actors|supervisor)/|^src/streams/(kafka|delivery|flows)/|^src/state/(partition-state|attempt-state|state-access|declared-state)[.]ts$',
  },
  {
    name: 'state-knows-nobody-above',
    comment: 'It is given records and keys: who handles them, and what becomes durable when, is decided elsewhere.',
    from: '^src/state/',
    to: '^src/(actors|supervisor|embedded|testing)/|^src/streams/(kafka|postgres|registry|producing|avro)/',
  },
  {
    name: 'checkpoints-ask-through-ports',
    comment: 'They know an owner and its state by the interfaces in delivery.ts, and no store, handler or client.',
    from: '^src/streams/delivery/',
    to: '^src/(state|actors|supervisor)/',
  },
  {
    name: 'avro-knows-no-registry',
    comment: 'A codec is given what is known; who asks a registry, or anybody else, does so on main.',
    from: '^src/streams/avro/',
    to: '^src/(?!streams/(avro|flows)/|options/|errors[.]ts$)',
  },
  {
    name: 'avro-asks-nobody',
    comment: 'It works on threads, once a record: nothing in it waits.',
    from: '^src/streams/avro/',
    to: '^(node:)?(net|tls|dgram|dns|http|http2|https|worker_threads|child_process)(/|$)|undici',
  },
  {
    name: 'one-door-to-durability',
    comment: 'Who wants something durable asks a Delivery; which kind there is, open-delivery.ts decides.',
    from: '^src/(?!streams/delivery/)',
    to: '^src/streams/delivery/((at-least-once|committer|position-texts)[.]ts$|checkpoint/)',
  },
  {
    name: 'handlers-know-no-executor',
    comment: 'A handler cannot tell where it runs.',
    from: '^src/actors/handlers/',
    to: '^src/actors/(executors/|threads/|intake/|lanes/|waits/|[^/]+$)',
  },
  {
    name: 'partition-actors-know-no-executor',
    comment: 'They are given verdicts, from wherever.',
    from: '^src/actors/(intake/|lanes/|waits/|[^/]+$)',
    to: '^src/actors/(executors|threads)/',
  },
  {
    name: 'the-engine-knows-no-process',
    comment:
      'It runs in a test, in a service of somebody else, and in one of many processes. supervisor.ts puts the parts together.',
    from: '^src/supervisor/((?!supervisor[.]ts)[^/]+$|status/)',
    to: '^src/supervisor/(cli|instances)/',
  },
  {
    name: 'counting-asks-nobody',
    comment: 'Numbers are counted where things happen, and read here.',
    from: '^src/metrics/',
    to: '^src/(actors|supervisor|embedded)/',
  },
]

module.exports = {
  forbidden: [
    ...rooms.map(({ name, comment, from, to }) => ({
      name,
      comment,
      severity: 'error',
      from: { path: from },
      to: { path: to },
    })),
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'streams-know-nobody-above',
      comment: 'Imports go supervisor → actors → streams.',
      severity: 'error',
      from: { path: '^src/streams/' },
      to: { path: '^src/(actors|supervisor|embedded)/' },
    },
    {
      name: 'actors-know-no-supervisor',
      comment: 'Imports go supervisor → actors → streams.',
      severity: 'error',
      from: { path: '^src/actors/' },
      to: { path: '^src/(supervisor|embedded)/' },
    },
    {
      name: 'sources-stand-alone',
      comment: 'What is published must not need what is not.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|examples|bench|scripts|dist)/' },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    ...Object.entries(adapters).map(([name, path]) => ({
      name: `only-its-adapter-imports-${name.split('/').at(-1)}`,
      severity: 'error',
      from: { path: '^src/', pathNot: path },
      to: { path: `node_modules/(@types/)?${name}/` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
