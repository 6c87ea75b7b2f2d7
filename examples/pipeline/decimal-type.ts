/** Avro's decimals for `avsc`, which has none of its own: text with as many digits as the scale says, `"12.50"`. */
import avsc from 'avsc'

class DecimalType extends avsc.types.LogicalType {
  readonly #scale: number

  constructor(schema: avsc.Schema, options?: unknown) {
    super(schema, options)
    this.#scale = (schema as { readonly scale?: number }).scale ?? 0
  }

  protected override _fromValue(bytes: Buffer): string {
    const unscaled = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex') || '0'}`))
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(this.#scale + 1, '0')
    const whole = digits.slice(0, digits.length - this.#scale)
    return `${unscaled < 0n ? '-' : ''}${whole}${this.#scale > 0 ? '.' : ''}${digits.slice(whole.length)}`
  }

  /** undefined: it is no such decimal. */
  protected override _toValue(text: unknown): Buffer | undefined {
    const [, sign, whole, fraction = ''] = typeof text === 'string' ? (/^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []) : []
    if (whole === undefined || fraction.length > this.#scale) return undefined
    const unscaled = BigInt(`${sign ?? ''}${whole}${fraction.padEnd(this.#scale, '0')}`)
    let length = 1
    while (BigInt.asIntN(8 * length, unscaled) !== unscaled) length += 1
    return Buffer.from(
      BigInt.asUintN(8 * length, unscaled)
        .toString(16)
        .padStart(2 * length, '0'),
      'hex',
    )
  }
}

export const decimalType = DecimalType
