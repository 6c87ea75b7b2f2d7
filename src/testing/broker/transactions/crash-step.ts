/**
 * Where a process may crash: an output is durable (and nobody knows yet), a position was stored, a commit stands. And
 * in the middle of a transaction, one after the other: its id was taken, it was begun, some of its records stand (open), its
 * positions do, its commit or its abort is decided. Nobody in the process knows any of that yet.
 */
export type CrashStep =
  | 'written'
  | 'stored'
  | 'committed'
  | 'id-taken'
  | 'begun'
  | 'written-open'
  | 'positions-sent'
  | 'commit-decided'
  | 'aborted'
