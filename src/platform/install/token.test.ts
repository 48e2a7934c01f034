import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Kube } from '#kube'
import { rfc3339, silentLogger } from '#lib'
import { FakeClock, temporaryDirectory, until } from '#lib/testing'
import { keepToken } from './index.ts'

test('a token is renewed at half of its life, and again after a server that was away', async (t) => {
  const file = join(temporaryDirectory(t), 'token')
  const clock = new FakeClock()
  const stop = new AbortController()
  let issued = 0
  let away = false
  // Only what is asked for: a new token, of ten minutes whatever is wished.
  const kube = {
    async create() {
      if (away) throw new Error('connection refused')
      return { status: { token: `token-${++issued}`, expirationTimestamp: rfc3339(clock.now() + 600_000) } }
    },
  } as unknown as Kube
  const kept = keepToken({ kube, file, clock, log: silentLogger, signal: stop.signal })
  const holds = (text: string) => until(() => readFileSync(file, 'utf8') === text)
  await holds('token-1')
  await clock.advance(299_000)
  assert.equal(issued, 1)
  away = true
  await clock.advance(2_000)
  assert.equal(readFileSync(file, 'utf8'), 'token-1')
  away = false
  await clock.advance(31_000)
  await holds('token-2')
  stop.abort()
  await kept
})
