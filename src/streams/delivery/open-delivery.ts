/** The delivery that an app asks for. At least once is the only kind so far. */
import { AtLeastOnceDelivery, type AtLeastOnceOptions } from './at-least-once.ts'
import type { Delivery, DeliveryEvents } from './delivery.ts'

export interface DeliveryOptions extends AtLeastOnceOptions {
  readonly events: DeliveryEvents
}

export function openDelivery(options: DeliveryOptions): Delivery {
  return new AtLeastOnceDelivery(options)
}
