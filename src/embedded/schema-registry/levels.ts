/** The compatibility level of each subject: its own, or that of all. */
import { compatibilityLevels, type CompatibilityLevel } from '../../schemas/compatibility.ts'

export class Levels {
  global: CompatibilityLevel
  readonly #initial: CompatibilityLevel
  readonly #own = new Map<string, CompatibilityLevel>()

  constructor(global: CompatibilityLevel) {
    this.global = global
    this.#initial = global
  }

  /** By its name, in capitals or not. */
  static find(name: string): CompatibilityLevel | undefined {
    return compatibilityLevels.find((level) => level === name.toUpperCase())
  }

  of(subject: string): CompatibilityLevel {
    return this.own(subject) ?? this.global
  }

  own(subject: string): CompatibilityLevel | undefined {
    return this.#own.get(subject)
  }

  set(subject: string, level: CompatibilityLevel): void {
    this.#own.set(subject, level)
  }

  /** What it was. */
  remove(subject: string): CompatibilityLevel | undefined {
    const level = this.#own.get(subject)
    this.#own.delete(subject)
    return level
  }

  /** What it was. */
  resetGlobal(): CompatibilityLevel {
    const level = this.global
    this.global = this.#initial
    return level
  }
}
