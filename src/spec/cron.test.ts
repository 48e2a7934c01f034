import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkCron } from './index.ts'

for (const schedule of [
  '* * * * *',
  '*/5 0-6,22 1,15 JAN-mar mon-FRI',
  '0 3 * * ?',
  '10/15 * * * *',
  '@hourly',
  '@midnight',
  '0 0 29 2 *',
  '0 0 31 2 1',
  '  0   3 * * * ',
]) {
  test(`schedule ${schedule} is taken`, () => assert.equal(checkCron(schedule), undefined))
}

for (const [schedule, expected] of [
  ['', /0 fields/],
  ['* * * *', /4 fields instead of 5/],
  ['0 0 3 * * *', /6 fields/],
  ['60 * * * *', /minute "60" is outside 0 to 59/],
  ['* 24 * * *', /hour/],
  ['* * 0 * *', /day of month/],
  ['* * * 13 *', /month/],
  ['* * * * 7', /outside 0 to 6/],
  ['5-1 * * * *', /runs backwards/],
  ['*/0 * * * *', /step of 0/],
  ['a * * * *', /not a number from 0 to 59/],
  ['* * L * *', /day of month "L"/],
  ['1,,2 * * * *', /minute ""/],
  ['0 0 31 4,6 *', /never comes/],
  ['@every 5m', /none of @hourly/],
  ['TZ=UTC * * * * *', /time zone/],
  ['9'.repeat(300), /longer/],
] as const) {
  test(`schedule ${schedule.slice(0, 30)} is refused`, () => assert.match(checkCron(schedule)?.message ?? '', expected))
}
