import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '#lib'
import { FakeClock } from '#lib/testing'
import { type Outcome, WorkQueue } from './queue.ts'

function setup(concurrency = 1) {
  const clock = new FakeClock()
  const runs: string[] = []
  const open: ReturnType<typeof deferred<Outcome>>[] = []
  const queue = new WorkQueue({
    clock,
    concurrency,
    run(key) {
      runs.push(key)
      const run = deferred<Outcome>()
      open.push(run)
      return run.promise
    },
  })
  const finish = async (outcome?: Outcome) => {
    open.shift()!.resolve(outcome)
    await clock.advance(0)
  }
  return { clock, runs, queue, finish }
}

test('a key is queued once, runs once at a time, and once more when it was wanted meanwhile', async () => {
  const { queue, runs, finish } = setup(4)
  queue.resume()
  queue.add('a')
  queue.add('a')
  queue.add('b')
  assert.deepEqual(runs, ['a', 'b'])
  queue.add('a')
  queue.add('a')
  assert.deepEqual(runs, ['a', 'b'])
  await finish()
  assert.deepEqual(runs, ['a', 'b', 'a'])
  await finish()
  await finish()
  assert.equal(queue.size, 0)
})

test('changes overtake the initial list', async () => {
  const { queue, runs, finish } = setup()
  for (const key of ['a', 'b', 'c']) queue.add(key, 'low')
  queue.add('d')
  queue.add('c')
  queue.resume()
  for (let run = 0; run < 4; run++) await finish()
  assert.deepEqual(runs, ['d', 'c', 'a', 'b'])
  assert.equal(queue.size, 0)
})

test('a failing key waits 5 ms and then longer, up to 16 min; success forgets', async () => {
  const { queue, clock, runs, finish } = setup()
  queue.resume()
  queue.add('a')
  const delays: number[] = []
  for (let failure = 0; failure < 25; failure++) {
    const before = clock.monotonic()
    await finish('retry')
    while (runs.length === failure + 1) await clock.advance(Math.max(1, (clock.monotonic() - before) / 10))
    delays.push(clock.monotonic() - before)
  }
  assert.ok(delays[0]! <= 7, delays.join())
  assert.ok(delays[24]! > 10 * 60_000 && delays[24]! <= 18 * 60_000, delays.join())
  await finish()
  assert.equal(queue.size, 0)
  queue.add('a')
  await finish('retry')
  await clock.advance(6)
  assert.equal(runs.length, 28)
})

test('a key that waits is run at once when wanted, and its delay is forgotten', async () => {
  const { queue, clock, runs, finish } = setup()
  queue.resume()
  queue.add('a')
  await finish({ after: 60_000 })
  await clock.advance(59_000)
  assert.equal(runs.length, 1)
  queue.add('a')
  assert.equal(runs.length, 2)
  await finish()
  await clock.advance(120_000)
  assert.equal(runs.length, 2)
  assert.equal(clock.pending, 0)
})

test('a paused queue starts nothing, and settles when its runs have ended', async () => {
  const { queue, runs, finish } = setup()
  queue.add('a')
  assert.deepEqual(runs, [])
  queue.resume()
  queue.pause()
  queue.add('b')
  let settled = false
  const settling = queue.settled().then(() => {
    settled = true
  })
  await Promise.resolve()
  assert.equal(settled, false)
  await finish()
  await settling
  assert.deepEqual(runs, ['a'])
})
