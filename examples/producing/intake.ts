/** An HTTP intake that sheds load: 202 when an order is durable, 503 when too much is pending or Kafka is away. */
import { createServer, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import { isTroupeError } from 'troupe'
import { orders, type Order, type OrderProducer } from './orders.ts'

export function createIntake(producer: OrderProducer): Server {
  return createServer((request, response) => {
    const answer = async (): Promise<number> => {
      const order = JSON.parse(await text(request)) as Order
      await producer.trySend(orders.record(order, { key: order.customer }))
      return 202
    }
    answer()
      .catch((error: unknown) => {
        if (!isTroupeError(error)) return 400
        return error.retryable || error.code === 'PRODUCER_STOPPED' ? 503 : 422
      })
      .then((status) => response.writeHead(status).end())
      .catch(() => response.destroy())
  })
}
