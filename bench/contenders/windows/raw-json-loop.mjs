// The bare loop, with the JSON read that each value is.
import { run as runLoop } from '../raw-loop.mjs'

export const run = (task) => runLoop({ ...task, handle: (value) => JSON.parse(value.toString()).amount })
