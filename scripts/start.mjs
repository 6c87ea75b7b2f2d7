#!/usr/bin/env node
/** `npm start`: sets up what is missing, then runs the example in this very process, so that signals need no passing on. */
import { setUp } from './setup.mjs'

await setUp()
const { register } = await import('tsx/esm/api')
register()
await import('../examples/start.ts')
