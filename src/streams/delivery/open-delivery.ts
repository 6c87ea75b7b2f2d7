/** The delivery that an app asks for. */
import { AtLeastOnceDelivery, type AtLeastOnceOptions } from './at-least-once.ts'
import { CheckpointDelivery, type CheckpointDeliveryOptions } from './checkpoint/checkpoint-delivery.ts'
import type { Delivery, DeliveryEvents } from './delivery.ts'

export interface DeliveryOptions extends AtLeastOnceOptions, CheckpointDeliveryOptions {
  readonly guarantee: Delivery['kind']
  readonly broker: AtLeastOnceOptions['broker'] & CheckpointDeliveryOptions['broker']
  readonly events: DeliveryEvents
}

export function openDelivery(options: DeliveryOptions): Delivery {
  return options.guarantee === 'exactly-once' ? new CheckpointDelivery(options) : new AtLeastOnceDelivery(options)
}
