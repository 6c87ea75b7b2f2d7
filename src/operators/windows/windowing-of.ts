import type { ValueSet } from '../values/value-set.ts'
import { AlignedWindows } from './aligned-windows.ts'
import { shapeOfWindow, type DeclaredWindow } from './declared-window.ts'
import { NoWindows } from './no-windows.ts'
import { SessionWindows } from './session-windows.ts'
import { SlidingWindows } from './sliding-windows.ts'
import type { Windowing } from './windowing.ts'

/** Windows of these values. */
export function windowingOf(window: DeclaredWindow | undefined, values: ValueSet): Windowing {
  const name = `${shapeOfWindow(window)} of ${values.shape}`
  switch (window?.what) {
    case undefined:
      return new NoWindows(name, values)
    case 'tumbling':
    case 'hopping':
      return new AlignedWindows(name, window, values)
    case 'sliding':
      return new SlidingWindows(name, window, values)
    case 'session':
      return new SessionWindows(name, window, values)
  }
}
