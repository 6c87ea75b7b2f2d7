/**
 * Sums without any rounding until somebody asks: so they are the same in whatever order their numbers come, and two halves
 * have the sum of the whole. A sum that a number holds exactly is that number, as most are; else it is some numbers that do not
 * overlap, the smallest first (Shewchuk, "Adaptive precision floating-point arithmetic", 1997; Python's `fsum`). Of bigint,
 * it is one.
 */
import { Unfit } from './unfit.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'

export type ExactSum = number | bigint | readonly number[]

export function sumWith(sum: ExactSum | undefined, added: unknown): ExactSum {
  if (typeof added === 'number') {
    if (!Number.isFinite(added)) throw new Unfit(added, 'is no finite number')
    // Without the sign of -0, which would depend on the order.
    if (sum === undefined) return added + 0
    if (typeof sum === 'number') return ofTwo(sum, added)
    if (typeof sum === 'bigint') return sum + integer(added)
    return grown(sum, added)
  }
  if (typeof added !== 'bigint') throw new Unfit(added, 'is neither number nor bigint')
  if (sum === undefined) return added
  return added + (typeof sum === 'bigint' ? sum : integer(sum))
}

export function sumOfBoth(sum: ExactSum, other: ExactSum): ExactSum {
  if (typeof other !== 'object') return sumWith(sum, other)
  return other.reduce<ExactSum>((whole, part) => sumWith(whole, part), sum)
}

/** Rounded once. */
export function rounded(sum: ExactSum): number | bigint {
  if (typeof sum !== 'object') return sum
  let at = sum.length - 1
  let high = sum[at]!
  let low = 0
  while (at > 0 && low === 0) {
    at -= 1
    const whole = high + sum[at]!
    low = sum[at]! - (whole - high)
    high = whole
  }
  // Half-way between two numbers: what is left decides.
  if (at > 0 && low !== 0 && low < 0 === sum[at - 1]! < 0) {
    const twice = low * 2
    const whole = high + twice
    if (whole - high === twice) return whole
  }
  return high
}

export function writeSum(sum: ExactSum, to: ByteWriter): void {
  if (typeof sum === 'number') {
    to.byte(1)
    to.number(sum)
  } else if (typeof sum === 'bigint') {
    to.byte(0)
    to.text(String(sum))
  } else {
    to.byte(sum.length)
    for (const part of sum) to.number(part)
  }
}

export function readSum(from: ByteReader): ExactSum {
  const parts = from.byte()
  if (parts === 0) return BigInt(from.text())
  if (parts === 1) return from.number()
  return Array.from({ length: parts }, () => from.number())
}

function ofTwo(a: number, b: number): ExactSum {
  const sum = a + b
  const fromB = sum - a
  const lost = a - (sum - fromB) + (b - fromB)
  return lost === 0 ? sum : checked([lost, sum])
}

function grown(sum: readonly number[], added: number): ExactSum {
  const parts: number[] = []
  let high = added
  for (const part of sum) {
    const whole = high + part
    const fromPart = whole - high
    const lost = high - (whole - fromPart) + (part - fromPart)
    if (lost !== 0) parts.push(lost)
    high = whole
  }
  if (parts.length === 0) return high
  // Nothing may stand above what is lost but what it was lost from.
  if (high !== 0) parts.push(high)
  return parts.length === 1 ? parts[0]! : checked(parts)
}

function checked(parts: readonly number[]): readonly number[] {
  if (!Number.isFinite(parts[parts.length - 1])) throw new Unfit(Infinity, 'is what the sum has grown to')
  return parts
}

function integer(sum: number | readonly number[]): bigint {
  const parts = typeof sum === 'number' ? [sum] : sum
  return parts.reduce((whole, part) => {
    if (!Number.isInteger(part)) throw new Unfit(part, 'is no whole number, and the others are bigint')
    return whole + BigInt(part)
  }, 0n)
}
