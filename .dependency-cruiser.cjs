// Who may import whom, in the sources: types and dynamic imports count. What is reached while running
// is for .dependency-cruiser-runtime.cjs to say.

/** These packages stand behind one file each, or a folder: replacing one is a change in one place. */
const adapters = {
  '@confluentinc/kafka-javascript': '^src/(streams/kafka/native[.]ts$|embedded/)',
  pg: '^src/(streams/postgres/|embedded/)',
  'prom-client': '^src/(metrics|supervisor)/',
  fastify: '^src/supervisor/http/',
  commander: '^src/supervisor/cli/',
  piscina: '^src/actors/threads/',
}

module.exports = {
  forbidden: [
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
