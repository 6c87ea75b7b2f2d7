/** Prints the tables of options, metrics and errors into docs/: `npm run docs`. A test compares them. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errorTable } from '../src/error-table.ts'
import { describeMetrics } from '../src/metrics/metrics.ts'
import { describeOptionTable } from '../src/options/docs.ts'

const errors = Object.entries(errorTable).map(
  ([code, { meaning, retryable, action }]) => `| \`${code}\` | ${meaning} | ${retryable ? 'yes' : 'no'} | ${action} |`,
)

export const documents: readonly { readonly path: string; readonly text: string }[] = [
  {
    path: 'docs/options.md',
    text: [
      '# Options',
      '',
      'Printed from the table in `src/options/options.ts`. Flags go over the environment, which goes over the app.',
      '',
      '## The app',
      '',
      describeOptionTable('app').trim(),
      '',
      '## Each actor',
      '',
      'As a flag: `--actor name.option=value`, or `*` for all.',
      '',
      describeOptionTable('actor').trim(),
      '',
      "## A producer of one's own",
      '',
      'Of `startProducer` ([producing.md](producing.md)); the environment only where it is given as `env`.',
      '',
      describeOptionTable('producer').trim(),
      '',
    ].join('\n'),
  },
  {
    path: 'docs/metrics.md',
    text: [
      '# Metrics',
      '',
      'Printed from the table in `src/metrics/metrics.ts`.',
      '',
      describeMetrics().trim(),
      '',
    ].join('\n'),
  },
  {
    path: 'docs/errors.md',
    text: [
      '# Errors',
      '',
      'Printed from the table in `src/errors.ts`. "Passes" says whether the same may go well later by itself.',
      '',
      '| code | meaning | passes | what to do |',
      '|---|---|---|---|',
      ...errors,
      '',
    ].join('\n'),
  },
]

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, text } of documents) writeFileSync(new URL(`../${path}`, import.meta.url), text)
}
