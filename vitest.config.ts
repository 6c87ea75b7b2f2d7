import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('.', import.meta.url))
const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
  exports: Record<string, string | { default: string }>
}
/** `troupe`, `troupe/testing`, … and the module each stands for, e.g. `testing`. */
const entries = Object.entries(exports).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [{ name: subpath.replace('.', 'troupe'), module: target.default.replace(/^\.\/dist\/|\.js$/g, '') }],
)

/**
 * `troupe` is `src/`: what a test imports by name and by relative path is one and the same module,
 * a change counts without a build, coverage sees lines.
 */
const fromSources = entries.map(({ name, module }) => ({
  find: new RegExp(`^${name}$`),
  replacement: `${root}src/${module}.ts`,
}))

/**
 * `troupe` is `dist/`, and so is `../../src/…` in a test: worker threads can only load what is
 * built, and a handler module on a thread imports `troupe` by the package's exports. With sources
 * here there would be two Troupes in one process.
 */
const fromBuild = [
  ...entries.map(({ name, module }) => ({ find: new RegExp(`^${name}$`), replacement: `${root}dist/${module}.js` })),
  { find: /^(?:\.\.?\/)+src\/(.+)\.ts$/, replacement: `${root}dist/$1.js` },
]

/** These suites need the whole machine, or share one broker: one file at a time, after everything before them. */
function oneAtATime(name: string, groupOrder: number, timeoutMs: number, globalSetup: string[] = []) {
  return {
    extends: true as const,
    resolve: { alias: fromBuild },
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      globalSetup,
      fileParallelism: false,
      sequence: { groupOrder },
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      expect: { poll: { timeout: 120_000 } },
      // dist/ is loaded by Node itself, as a user's process does.
      server: { deps: { external: [new RegExp(`^${root}dist/`)] } },
    },
  }
}

const realKafka = ['test/support/integration-setup.ts']

export default defineConfig({
  test: {
    // The native Kafka client loads on main threads only.
    pool: 'forks',
    // Time-outs only end what hangs. A busy machine may need ten times as long as a quiet one, and no test is about that.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        resolve: { alias: fromSources },
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/{simulation,threads,embedded,integration,chaos}/**'],
        },
      },
      {
        extends: true,
        resolve: { alias: fromSources },
        test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 300_000 },
      },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          // Only these files: whether the sources have type errors is for `npm run check` to say.
          typecheck: { enabled: true, only: true, include: ['test/types/**/*.test-d.ts'], ignoreSourceErrors: true },
        },
      },
      oneAtATime('threads', 1, 180_000),
      oneAtATime('embedded', 2, 300_000),
      oneAtATime('integration', 3, 300_000, realKafka),
      // On demand: npm run chaos. Its suites start clusters of their own.
      oneAtATime('chaos', 4, 600_000),
    ],
  },
})
