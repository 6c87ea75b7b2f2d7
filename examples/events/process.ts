/** The handler: asks for the user's plan, transforms each event, and stores it. */
import { compose, defineHandler, done, RetryableError, type HandlerContext } from 'troupe'
import { events, eventTable, processedEvents, type ProcessedEvent, type ShopEvent } from './flows.ts'
import { openPlans, PlansUnavailable, type Plans } from './plans.ts'

interface PlannedEvent {
  readonly event: ShopEvent
  readonly plan: string
}

export default defineHandler({
  input: events,
  outputs: [processedEvents, eventTable],
  setup: openPlans,
  handle: compose(findPlan, store),
})

/** The only step that another attempt may mend: after the last one the event is a dead letter. */
async function findPlan(event: ShopEvent, { setup: plans }: HandlerContext<Plans>): Promise<PlannedEvent> {
  try {
    return { event, plan: await plans.planOf(event.user_id) }
  } catch (cause) {
    if (cause instanceof PlansUnavailable) throw new RetryableError('the plan is not to be had', { cause })
    throw cause
  }
}

function store({ event, plan }: PlannedEvent) {
  const { timestamp, ...kept } = event
  const processed: ProcessedEvent = {
    ...kept,
    plan,
    original_timestamp: timestamp,
    processed_at: new Date().toISOString(),
  }
  return done([processedEvents.record(processed, { key: String(event.user_id) }), eventTable.upsert(processed)])
}
