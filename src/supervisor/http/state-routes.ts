/** /state/<actor>: keys and values are nobody's but the operator's, so all of it needs `http.token`. */
import { MAX_LISTED, problemsOfChoice, questionOf } from '../../state/state-question.ts'
import { mergeState } from '../instances/merged-state.ts'
import { authorization, type Guarded } from './authorization.ts'
import type { ParkingRoutesOptions, Routes } from './parking-routes.ts'

const asking: Guarded = { code: 'STATE_NOT_SHOWN', withoutToken: 'shows no state over HTTP', what: 'state' }

const parameters = ['key', 'keyHex', 'keyBase64', 'limit', 'name', 'partition']

export function addStateRoutes(routes: Routes, { instances, token }: Omit<ParkingRoutesOptions, 'log'>): void {
  routes.get('/state/:actor', authorization(token, asking), async (context) => {
    const query = context.req.query()
    const choice = choiceOf(query)
    const problems = choice === null ? [keyForm] : problemsOfChoice(choice)
    const unknown = Object.keys(query).filter((name) => !parameters.includes(name))
    if (unknown.length > 0) problems.push(`${unknown.join(', ')}: there are ${parameters.join(', ')}`)
    if (choice === null || problems.length > 0) return context.json({ error: problems.join('; ') }, 400)
    return context.json(await mergeState(instances, questionOf(context.req.param('actor'), choice)))
  })
}

const keyForm = `one of key (text), keyHex and keyBase64 (its bytes), or limit (1 to ${MAX_LISTED})`

/** null: of the ways to write a key there are several, or one is none. */
function choiceOf(query: Readonly<Record<string, string>>): Parameters<typeof questionOf>[1] | null {
  const { key, keyBase64, keyHex, limit, name, partition } = query
  const keys = [key, keyHex, keyBase64].filter((each) => each !== undefined)
  if (keys.length > 1) return null
  if (keyHex !== undefined && !/^([0-9a-f]{2})*$/i.test(keyHex)) return null
  if (keyBase64 !== undefined && !/^[A-Za-z0-9+/_-]*={0,2}$/.test(keyBase64)) return null
  const bytes =
    keyHex === undefined
      ? keyBase64 === undefined
        ? undefined
        : Buffer.from(keyBase64, 'base64')
      : Buffer.from(keyHex, 'hex')
  const shownKey = key ?? bytes
  return {
    ...(shownKey === undefined ? {} : { key: shownKey }),
    ...(limit === undefined ? {} : { limit: numberOf(limit) }),
    ...(name === undefined ? {} : { name }),
    ...(partition === undefined ? {} : { partition: numberOf(partition) }),
  }
}

function numberOf(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
}
