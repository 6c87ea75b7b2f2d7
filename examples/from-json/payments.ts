/** A topic that goes from JSON to Avro, and a handler that does not notice. */
import { defineHandler, done, json, text, topic } from 'troupe'
import { avro } from 'troupe/avro'
import { z } from 'zod'
import { avroOrJson } from './avro-or-json.ts'

export const paymentSchema = {
  type: 'record',
  name: 'com.example.Payment',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
} as const

/** As it was written until now. */
const jsonPayment = z.object({
  id: z.int().transform(BigInt),
  amount: z.string(),
  at: z.iso.datetime().transform((time) => new Date(time)),
  note: z.string().nullable().default(null),
})

export const payments = topic('payments', { key: text, value: avroOrJson(avro(paymentSchema), json(jsonPayment)) })

export const amounts = topic('amounts', { key: text, value: text })

export default defineHandler({
  input: payments,
  outputs: [amounts],
  handle: (payment, { key }) => done([amounts.record(payment.amount, { key })]),
})
