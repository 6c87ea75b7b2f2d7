// `npm start` without its set-up: these suites run on what is built already.
import { register } from 'tsx/esm/api'

register()
await import('../../../examples/start.ts')
