/** Draws an app's flow: as text, and as a flowchart of Mermaid, which GitHub and many editors show. */
import type { Flow, FlowActor } from './flow.ts'

export function flowAsText(flow: Flow): string {
  return flow.map((actor) => `${[`${actor.name} (${actor.what})`, ...linesOf(actor)].join('\n  ')}\n`).join('\n')
}

function linesOf({ changelog, deadLetters, keeps, reads, rows, writes }: FlowActor): string[] {
  const lines: [title: string, what: string][] = [['reads', reads.join(', ')]]
  if (changelog !== null) lines.push(['keeps', `${keeps.length === 0 ? 'timers' : keeps.join(', ')} in ${changelog}`])
  if (writes.length > 0) lines.push(['writes', writes.join(', ')])
  if (rows.length > 0) lines.push(['rows', rows.join(', ')])
  if (deadLetters !== null) lines.push(['dead letters', deadLetters])
  return lines.map(([title, what]) => `${title.padEnd('dead letters'.length)}  ${what}`)
}

/** What is drawn, by how it looks. */
const looks = {
  topic: (label: string) => `([${label}])`,
  actor: (label: string) => `[${label}]`,
  kept: (label: string) => `[(${label})]`,
  table: (label: string) => `[(${label})]`,
} as const

export function flowAsMermaid(flow: Flow): string {
  const nodes = new Map<string, string>()
  const lines: string[] = []
  const node = (look: keyof typeof looks, name: string, label = name): string => {
    const id = nodes.get(`${look} ${name}`) ?? `${look}${nodes.size}`
    if (!nodes.has(`${look} ${name}`)) {
      nodes.set(`${look} ${name}`, id)
      lines.push(`  ${id}${looks[look](`"${escaped(label)}"`)}`)
    }
    return id
  }
  const arrows: string[] = []
  for (const { changelog, deadLetters, keeps, name, reads, rows, what, writes } of flow) {
    const actor = node('actor', name, `${name}\n${what}`)
    for (const topic of reads) arrows.push(`  ${node('topic', topic)} --> ${actor}`)
    if (changelog !== null) arrows.push(`  ${actor} <-.-> ${node('kept', changelog, [changelog, ...keeps].join('\n'))}`)
    for (const topic of writes) arrows.push(`  ${actor} --> ${node('topic', topic)}`)
    for (const table of rows) arrows.push(`  ${actor} --> ${node('table', table)}`)
    if (deadLetters !== null) arrows.push(`  ${actor} -. dead letters .-> ${node('topic', deadLetters)}`)
  }
  return `${['flowchart LR', ...lines, ...arrows].join('\n')}\n`
}

/** Names are anybody's: in a label of Mermaid these mean something. */
function escaped(label: string): string {
  return label.replaceAll(/[&#"<>`]/g, (mark) => `#${mark.codePointAt(0)};`).replaceAll('\n', '<br>')
}
