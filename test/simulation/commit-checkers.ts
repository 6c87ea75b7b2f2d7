/** What must hold of commits: what they say is finished is, and stays so for whoever comes next. */
import { entry, shortened, type Checker } from './checker.ts'
import { Epochs } from './order-checkers.ts'
import {
  nameOf,
  placeName,
  type Commit,
  type Fate,
  type JournalEvent,
  type Origin,
  type PartitionPlace,
} from './journal.ts'

/** A record counts as finished when its handler completed and its outputs are durable, or it is durably dead-lettered, or skipped. */
class Completion {
  readonly #fates = new Map<string, Fate>()
  readonly #outputs = new Map<string, Set<number>>()
  readonly #deadLetters = new Set<string>()
  readonly #handled = new Map<string, Set<string>>()

  note(event: JournalEvent): void {
    switch (event.type) {
      case 'input':
        this.#fates.set(nameOf(event), event.fate)
        break
      case 'durable': {
        const { index, origin } = event.output
        if (index === 'dead-letter') this.#deadLetters.add(nameOf(origin))
        else entry(this.#outputs, nameOf(origin), () => new Set<number>()).add(index)
        break
      }
      case 'handle-end':
        entry(this.#handled, nameOf(event), () => new Set<string>()).add(event.result)
        break
      default:
        break
    }
  }

  isFinished(origin: Origin): boolean {
    const name = nameOf(origin)
    const fate = this.#fates.get(name)
    switch (fate?.type) {
      case undefined:
        // It does not exist: a gap in the log.
        return true
      case 'skip':
        return this.#handled.get(name)?.has('skip') === true
      case 'dead-letter':
        return this.#deadLetters.has(name)
      case 'outputs':
        return this.#handled.get(name)?.has('done') === true && (this.#outputs.get(name)?.size ?? 0) >= fate.count
    }
  }
}

/** Nothing is lost: in the end every record is finished, and what should have outputs has no dead letter instead. */
export const nothingIsLost: Checker = (events) => {
  const completion = new Completion()
  const removed = new Set<string>()
  for (const event of events) {
    completion.note(event)
    if (event.type === 'removed') removed.add(nameOf(event))
  }
  const lost = events.filter(
    (event) => event.type === 'input' && !removed.has(nameOf(event)) && !completion.isFinished(event),
  )
  return shortened(lost.map((event) => `${nameOf(event as Origin & JournalEvent)} was never finished`))
}

/**
 * A position is committed only when every record below it is finished, and a map shows as finished
 * only what is. The position of a partition never goes back, except while two members both are told
 * that it is theirs (a zombie, or a parked revoke): neither can know of the other then.
 */
export const commitsAreTrue: Checker = (events) => {
  const completion = new Completion()
  const unfinished = new Map<string, Map<number, Origin>>()
  const history = new CommitHistory()
  const violations: string[] = []
  const forget = (origin: Origin): void => {
    if (completion.isFinished(origin)) unfinished.get(placeName(origin))?.delete(origin.offset)
  }
  for (const [index, event] of events.entries()) {
    completion.note(event)
    history.note(event, index)
    if (event.type === 'input') entry(unfinished, placeName(event), () => new Map()).set(event.offset, event)
    else if (event.type === 'removed') unfinished.get(placeName(event))?.delete(event.offset)
    else if (event.type === 'handle-end') forget(event)
    else if (event.type === 'durable') forget(event.output.origin)
    if (event.type !== 'committed') continue
    const place = placeName(event)
    const before = history.overtaken(event, index)
    if (before !== null) {
      violations.push(`${event.client} moved the position of ${place} back from ${before} to ${event.position}`)
    }
    for (const offset of unfinished.get(place)?.keys() ?? []) {
      if (offset < event.position) {
        violations.push(`${event.client} committed ${place} at ${event.position}, past unfinished ${offset}`)
      } else if (showsFinished(event, offset)) {
        violations.push(`${event.client} committed a map of ${place} that shows unfinished ${offset} as finished`)
      }
    }
  }
  return shortened(violations)
}

/** Commits of each partition, and when the epochs of those who made them began and ended. */
class CommitHistory {
  readonly #commits = new Map<string, { position: number; client: string; index: number }[]>()
  /** When the member was offered the partition, when it began, when it gave it back: places in the journal. */
  readonly #epochs = new Map<string, { readonly offered: number; begun: number; ended: number }>()

  note(event: JournalEvent, index: number): void {
    switch (event.type) {
      case 'offered':
        for (const partition of event.partitions) {
          const epoch = { offered: index, begun: Infinity, ended: Infinity }
          this.#epochs.set(`${event.client} ${placeName(partition)}`, epoch)
        }
        break
      case 'assigned':
        for (const start of event.starts) this.#epochOf(event.client, start).begun = index
        break
      case 'fenced':
        for (const partition of event.partitions) {
          const epoch = this.#epochOf(event.client, partition)
          epoch.ended = Math.min(epoch.ended, index)
        }
        break
      default:
        break
    }
  }

  #epochOf(client: string, place: PartitionPlace): { readonly offered: number; begun: number; ended: number } {
    return entry(this.#epochs, `${client} ${placeName(place)}`, () => ({ offered: 0, begun: 0, ended: Infinity }))
  }

  /** The higher position that this commit takes back though its member could know better; null: there is none. */
  overtaken(event: Committed, index: number): number | null {
    const place = placeName(event)
    const commits = this.#commits.get(place) ?? []
    const { begun, ended, offered } = this.#epochOf(event.client, event)
    const higher = commits.find((each) => {
      if (each.position <= event.position) return false
      // Known from the offer's query, made by itself, or made by a successor. What comes between may be
      // the last commit of the epoch before, on its way while the next was offered.
      return each.index < offered || each.index > (each.client === event.client ? begun : ended)
    })
    // What a rewind has taken back, nobody can know any more.
    const standing = commits.filter((each) => each.position <= event.position)
    this.#commits.set(place, [...standing, { position: event.position, client: event.client, index }])
    return higher?.position ?? null
  }
}

/** What a commit shows as finished is not handled again by whoever begins from it. */
export const finishedIsSkipped: Checker = (events) => {
  const commits = new Map<string, Committed>()
  /** What a member that is offered a partition finds committed. */
  const found = new Map<string, Committed | undefined>()
  const begun = new Map<string, Committed>()
  const epochs = new Epochs()
  const violations: string[] = []
  for (const event of events) {
    epochs.note(event)
    if (event.type === 'committed') commits.set(placeName(event), event)
    if (event.type === 'offered') {
      for (const partition of event.partitions) {
        found.set(`${event.client} ${placeName(partition)}`, commits.get(placeName(partition)))
      }
    }
    if (event.type === 'assigned') {
      for (const start of event.starts) {
        const name = `${event.client} ${placeName(start)}`
        const known = found.get(name)
        // Whoever begins elsewhere does so by a policy: the committed position was not in the log any more.
        if (known?.position === start.position) begun.set(name, known)
        else begun.delete(name)
      }
    }
    if (event.type !== 'handle-begin') continue
    // What went to a thread in an earlier epoch did not begin from this commit.
    if (epochs.ofHandling(event.client, event).epoch !== epochs.of(event.client, event)) continue
    const known = begun.get(`${event.client} ${placeName(event)}`)
    if (known === undefined) continue
    if (event.offset < known.position || showsFinished(known, event.offset)) {
      violations.push(
        `${event.client} handled ${nameOf(event)} again, which the commit it began from shows as finished`,
      )
    }
  }
  return shortened(violations)
}

type Committed = Extract<JournalEvent, { type: 'committed' }>

export function showsFinished({ position, frontier, unfinished }: Commit, offset: number): boolean {
  if (offset < position || offset >= frontier) return false
  for (let at = 0; at < unfinished.length; at += 2) {
    if (offset >= unfinished[at]! && offset < unfinished[at + 1]!) return false
  }
  return true
}
