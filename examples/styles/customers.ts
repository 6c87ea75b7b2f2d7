/** What the handlers depend on: elsewhere a database or a service, here a list. */
export interface Customers {
  /** undefined: there is no such customer. */
  nameOf(id: string): Promise<string | undefined>
}

export function openCustomers(): Customers {
  const names = new Map([
    ['c-1', 'Ada'],
    ['c-2', 'Grace'],
  ])
  return { nameOf: (id) => Promise.resolve(names.get(id)) }
}
