/** The delivery that an app asks for. At least once is the only kind so far. */
import { AtLeastOnceDelivery, type AtLeastOnceOptions } from './at-least-once.ts'
import type { Delivery } from './delivery.ts'

export type DeliveryOptions = AtLeastOnceOptions

export function openDelivery(options: DeliveryOptions): Delivery {
  return new AtLeastOnceDelivery(options)
}
