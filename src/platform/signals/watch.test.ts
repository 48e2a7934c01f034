import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type BeamNode, connect, evaluate, numberOf } from '#beam'
import { silentLogger, systemClock } from '#lib'
import { until } from '#lib/testing'
import { startErl } from '../../beam/testing/erl-node.ts'
import { missing } from '../../beam/testing/missing.ts'
import type { Links } from '../beam/links.ts'
import type { BeamPod } from '../beam/nodes.ts'
import { SignalStore } from './store.ts'
import { watchSignals } from './watch.ts'

const skip = missing('erl')
const cleanups: (() => void | Promise<void>)[] = []
let erl: Awaited<ReturnType<typeof startErl>>

before(async () => {
  if (!skip) erl = await startErl({ after: (fn) => cleanups.push(fn) }, { args: ['+S', '4:2', '+SDcpu', '4:2'] })
})
after(async () => {
  for (const cleanup of cleanups) await cleanup()
})

const pod = (more: Partial<BeamPod> = {}): BeamPod => ({
  ...{ pod: 'web-1', process: 'web', namespace: 'shop', name: erl.name, host: '127.0.0.1', port: erl.port },
  ...{ uid: 'u', restarts: 0, ready: true, clustered: false, schedulers: 2, cookie: { name: 'c', key: 'c' } },
  ...more,
})

function watched(t: { after(fn: () => void): void }) {
  const stop = new AbortController()
  const open = new Map<string, Promise<BeamNode>>()
  const links: Links = {
    get({ name, port }) {
      const known = open.get(`${port}`)
      if (known) return known
      const made = connect({ name, port, cookie: erl.cookie, ourName: 'rem-watch@127.0.0.1', timeoutMs: 1000 })
      made.catch(() => open.delete(`${port}`))
      open.set(`${port}`, made)
      return made
    },
    find: () => undefined,
    keep() {},
    close() {},
  }
  t.after(async () => {
    stop.abort()
    for (const made of open.values()) (await made.catch(() => undefined))?.close()
  })
  const store = new SignalStore()
  const signals = watchSignals({
    app: 'shop',
    links,
    store,
    clock: systemClock,
    log: silentLogger,
    signal: stop.signal,
  })
  const of = (name: string) => store.pods('shop', Date.now()).find(({ origin }) => origin.pod === name)
  return { signals, of, node: () => open.get(`${erl.port}`)! }
}

test('schedulers follow the CPU that a pod is given, and nothing restarts', { skip }, async (t) => {
  const { signals, of, node } = watched(t)
  signals.want([pod()])
  await until(() => of('web-1')?.sample !== undefined)
  const online = async () => numberOf(await evaluate(await node(), 'erlang:system_info(schedulers_online)'))
  assert.equal(await online(), 2)
  signals.want([pod({ schedulers: 3 })])
  await until(async () => (await online()) === 3)
  signals.want([pod({ schedulers: 100 })])
  await until(async () => (await online()) === 4, { what: 'no more than it has' })
  signals.want([pod()])
  await until(async () => (await online()) === 2)
})

test('one that floods us and one that cannot be reached keep no other from being heard', { skip }, async (t) => {
  const { signals, of, node } = watched(t)
  signals.want([pod(), pod({ pod: 'web-2', port: 9, name: 'shop@127.0.0.9' })])
  await until(() => of('web-1')?.sample !== undefined && of('web-2')?.error !== undefined)
  const inbox = (await node()).process()
  const flood = 'spawn(fun() -> [To ! {flood, lists:seq(1, 100)} || _ <- lists:seq(1, 50000)] end), ok'
  await evaluate(await node(), flood, { To: inbox.pid })
  const before = of('web-1')!.at
  await until(() => of('web-1')!.at > before + 2500)
  assert.equal(of('web-1')!.error, undefined)
  inbox.close()
  signals.want([])
  assert.equal(of('web-1'), undefined, 'what is gone is forgotten')
})

test('a long mailbox is told with the name of its process', { skip }, async (t) => {
  const { signals, of, node } = watched(t)
  signals.want([pod()])
  await until(() => of('web-1')?.sample !== undefined)
  await evaluate(
    await node(),
    'P = spawn(timer, sleep, [600000]), register(clogged, P), [P ! X || X <- lists:seq(1, 500)], ok',
  )
  // The first look may have come before.
  signals.want([])
  signals.want([pod()])
  const [longest] = await until(() => (of('web-1')?.mailboxes.length ? of('web-1')!.mailboxes : undefined))
  assert.deepEqual([longest.name, longest.length], ['clogged', 500])
})
