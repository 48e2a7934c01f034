import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createKube, httpTransport, Lease } from '#kube'
import { silentLogger } from '#lib'
import { campaign } from './lease.ts'
import { FakeClock, MockApiServer, passing, until } from './testing/harness.ts'
import { status } from './testing/mock-api-server.ts'

function candidate(t: TestContext, server: MockApiServer, identity: string, clock: FakeClock) {
  const kube = createKube(httpTransport({ server: server.url, namespace: 'default' }))
  const stop = new AbortController()
  const state = { leading: false, terms: 0 }
  const ended = campaign(
    { kube, clock, log: silentLogger, name: 'op', namespace: 'ops', identity },
    stop.signal,
    async (leading) => {
      state.leading = true
      state.terms++
      await new Promise<void>((resolve) => leading.addEventListener('abort', () => resolve(), { once: true }))
      state.leading = false
    },
  )
  const end = async () => {
    stop.abort()
    await ended
    kube.close()
  }
  t.after(end)
  return { state, end }
}

const holder = (server: MockApiServer) => server.get(Lease, 'op', 'ops')?.spec

test('one leads; who stops releases, and the next leads at once', async (t) => {
  const server = await MockApiServer.start(t)
  const clock = new FakeClock()
  const a = candidate(t, server, 'a', clock)
  await until(() => a.state.leading)
  const b = candidate(t, server, 'b', clock)
  await passing(clock, () => clock.monotonic() > 60_000)
  assert.deepEqual([a.state.leading, b.state.leading], [true, false])
  assert.match(holder(server).renewTime, /\.\d{6}Z$/)
  await a.end()
  const released = clock.monotonic()
  await passing(clock, () => b.state.leading)
  assert.ok(clock.monotonic() - released <= 4_000)
  assert.equal(holder(server).holderIdentity, 'b')
  assert.equal(holder(server).leaseTransitions, 1)
})

test('a leader that dies is followed when its lease has not moved for its duration', async (t) => {
  const server = await MockApiServer.start(t)
  const clock = new FakeClock()
  server.put(Lease, {
    metadata: { name: 'op', namespace: 'ops' },
    spec: { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' },
  })
  const b = candidate(t, server, 'b', clock)
  await passing(clock, () => b.state.leading)
  assert.ok(clock.monotonic() >= 15_000)
})

test('clocks that disagree about the hour change nothing', async (t) => {
  const server = await MockApiServer.start(t)
  const clockOfA = new FakeClock()
  const clockOfB = new FakeClock()
  clockOfB.jump(3_600_000)
  const a = candidate(t, server, 'a', clockOfA)
  await until(() => a.state.leading)
  const b = candidate(t, server, 'b', clockOfB)
  for (let renewals = 0; renewals < 20; renewals++) {
    const { renewTime } = holder(server)
    await passing(clockOfA, () => holder(server).renewTime !== renewTime)
    await clockOfB.advance(2000)
    if (renewals === 10) clockOfB.jump(-7_200_000)
  }
  assert.deepEqual([a.state.terms, b.state.terms], [1, 0])
})

test('a leader that cannot renew steps down before its lease runs out, and stands again', async (t) => {
  const server = await MockApiServer.start(t)
  const clock = new FakeClock()
  const a = candidate(t, server, 'a', clock)
  await until(() => a.state.leading)
  server.intercept = (_, response) => {
    status(response, 500, 'InternalError', 'broken')
    return true
  }
  const broken = clock.monotonic()
  await passing(clock, () => !a.state.leading)
  const after = clock.monotonic() - broken
  assert.ok(after >= 10_000 && after < 15_000, `${after} ms`)
  server.intercept = undefined
  await passing(clock, () => a.state.terms === 2)
})
