/** Amounts with two digits, as whole numbers: sums of numbers with a point are not exact. */

/** Of `"12.50"`. Below 2^53 they are exact, which is ninety trillion. */
export function centsOf(amount: string): number {
  const cents = Number(amount.replace('.', ''))
  if (!/^-?\d+\.\d\d$/.test(amount) || !Number.isSafeInteger(cents)) throw new Error(`no amount: ${amount}`)
  return cents
}

export function amountOf(cents: number): string {
  const digits = String(Math.abs(cents)).padStart(3, '0')
  return `${cents < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
