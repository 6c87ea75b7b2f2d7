// What the built code loads by static imports alone. Handler modules import `troupe` on worker threads,
// where the native Kafka client must not even be touched, and users of a handler need no database driver.

module.exports = {
  forbidden: [
    {
      name: 'threads-and-index-stay-light',
      comment: 'Load it with await import() where it is used.',
      severity: 'error',
      from: { path: '^dist/(index|testing|actors/threads/worker-thread)[.]js$' },
      to: {
        path: '^dist/(supervisor/|streams/kafka/native[.]js$)|node_modules/(@confluentinc/kafka-javascript|pg|avsc|prom-client|hono|@hono)/',
        reachable: true,
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { dynamic: true },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
