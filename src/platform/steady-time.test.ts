import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '#lib/testing'
import { steadyTime } from './steady-time.ts'

test('a clock that is set does not move what began before', async () => {
  const clock = new FakeClock()
  const now = steadyTime()
  const began = now(clock, 'shop', 'v1')
  assert.equal(began, clock.now())
  for (const jump of [3_600_000, -7_200_000]) {
    clock.jump(jump)
    assert.equal(now(clock, 'shop', 'v1'), began)
  }
  await clock.advance(5_000)
  assert.equal(now(clock, 'shop', 'v1'), began + 5_000)
  assert.equal(now(clock, 'shop', 'v2'), clock.now())
  assert.equal(now(clock, 'blog', 'v1'), clock.now())
})
