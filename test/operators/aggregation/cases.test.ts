import { describe, expect, test } from 'vitest'
import { OperatorDriver } from '../../support/operator-driver.ts'
import { aggregationOf, cases, recordOf } from './cases.ts'

const textsOf = (driver: OperatorDriver) =>
  driver.effects.map(({ effect }) => (effect.type === 'record' ? (effect.value as unknown) : effect))

describe('the cases of aggregations, purely', () => {
  test.for(cases)('$title', (each) => {
    const driver = new OperatorDriver(aggregationOf(each)).play(each.records.map(recordOf))
    expect(textsOf(driver)).toEqual(each.outputs)
    const ofRecords = driver.played.filter(({ of }) => of === 'record')
    const aside = ofRecords.flatMap((played, at) => (played.aside === undefined ? [] : [[at, played.aside]]))
    expect(Object.fromEntries(aside)).toEqual(each.aside ?? {})
  })

  test.for(cases)('a restart before any record changes nothing: $title', (each) => {
    for (let cut = 0; cut <= each.records.length; cut += 1) {
      const records = each.records.map(recordOf)
      const driver = new OperatorDriver(aggregationOf(each)).play(records.slice(0, cut)).restart()
      expect(textsOf(driver.play(records.slice(cut)))).toEqual(each.outputs)
    }
  })
})
