import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap, Event, getCondition } from '#kube'
import { deferred } from '#lib'
import { type Axn, controller } from './index.ts'
import { FakeClock, Greeting, greeting, passing, start, until, writes } from './testing/harness.ts'

const greeter = controller(Greeting, { owns: [ConfigMap] }).step('greet', (axn) => {
  const { message, copies = 1 } = axn.object.spec
  let next: Axn<Greeting> = axn
  for (let copy = 0; copy < copies; copy++)
    next = next.child(ConfigMap, { metadata: { name: `${axn.name}-${copy}` }, data: { message } })
  return next.status({ copies }).condition('Ready', true, 'Applied').event('Greeted', message)
})

test('a new object gets its children, its status, a condition and an Event', async (t) => {
  const { server } = await start(t, [greeter], { freeze: true })
  server.put(Greeting, greeting('hi'))
  const live = await until(
    () => server.get(Greeting, 'hello', 'default').status && server.get(Greeting, 'hello', 'default'),
  )
  const child = server.get(ConfigMap, 'hello-0', 'default')
  assert.deepEqual(child.data, { message: 'hi' })
  assert.equal(child.metadata.ownerReferences[0].uid, live.metadata.uid)
  assert.equal(live.status.copies, 1)
  assert.equal(getCondition(live, 'Ready')?.observedGeneration, 1)
  const event = await until(() => server.all(Event)[0])
  assert.equal(event.reason, 'Greeted')
  assert.equal(event.involvedObject.uid, live.metadata.uid)
})

test('a child that somebody changes is put right; a change that does not matter writes nothing', async (t) => {
  const { server } = await start(t, [greeter])
  server.put(Greeting, greeting('hi'))
  await until(() => server.all(Event).length > 0)
  const before = writes(server).length
  const child = server.get(ConfigMap, 'hello-0', 'default')
  server.put(ConfigMap, { ...child, metadata: { ...child.metadata, labels: { seen: 'yes' } } })
  server.put(ConfigMap, { ...server.get(ConfigMap, 'hello-0', 'default'), data: { message: 'drift' } })
  await until(() => server.get(ConfigMap, 'hello-0', 'default').data.message === 'hi')
  assert.deepEqual(
    writes(server)
      .slice(before)
      .map(({ method }) => method),
    ['PATCH'],
  )
})

test('children that are no longer named are pruned; others are left alone', async (t) => {
  const { server } = await start(t, [greeter])
  const { metadata } = server.put(Greeting, greeting('hi', 'hello', { copies: 3 }))
  await until(() => server.all(ConfigMap).length === 3)
  server.put(ConfigMap, { metadata: { name: 'bystander', namespace: 'default' } })
  server.put(Greeting, { ...server.get(Greeting, 'hello', 'default'), ...greeting('hi'), metadata })
  await until(() => server.all(ConfigMap).length === 2)
  assert.deepEqual(
    server
      .all(ConfigMap)
      .map(({ metadata }) => metadata.name)
      .sort(),
    ['bystander', 'hello-0'],
  )
})

test('a finalizer is there before anything else is, and goes when its step is content', async (t) => {
  let content = false
  const order: string[] = []
  const cleaner = controller(Greeting, { name: 'cleaner' })
    .step('work', (axn) =>
      axn.deleting
        ? axn
        : axn.run('note', async () => {
            order.push((await axn.kube.get(Greeting, axn.name, axn.namespace)).metadata.finalizers!.join())
          }),
    )
    .finalize('x.io/clean', (axn) => {
      order.push('clean')
      return content ? axn : axn.requeueAfter(5)
    })
  const { server, kube } = await start(t, [cleaner])
  server.put(Greeting, { ...greeting('hi'), metadata: { ...greeting('hi').metadata, finalizers: ['other/one'] } })
  await until(() => order.length > 0)
  await kube.delete(Greeting, 'hello', 'default')
  await until(() => order.includes('clean'))
  assert.deepEqual(server.get(Greeting, 'hello', 'default').metadata.finalizers, ['other/one', 'x.io/clean'])
  content = true
  await until(() => server.get(Greeting, 'hello', 'default').metadata.finalizers.join() === 'other/one')
  assert.equal(order[0], 'other/one,x.io/clean')
})

test('one controller hears at once what another writes, and a pass reads what it wrote', async (t) => {
  const heard: string[] = []
  const writer = controller(Greeting, { name: 'writer', owns: [ConfigMap] }).step('write', async (axn) => {
    if (axn.lister.owned(ConfigMap, axn.object.metadata.uid!).length > 0) return axn
    await axn.kube.create(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'made', namespace: 'default' },
    })
    return axn.status({ seen: axn.lister.get(ConfigMap, 'made', 'default') !== undefined })
  })
  const listener = controller(ConfigMap, { name: 'listener' }).step('hear', (axn) => {
    heard.push(axn.name)
    return axn
  })
  const { server, operator } = await start(t, [writer, listener])
  await operator.ready
  // from now on no event arrives: what is heard is heard without one
  await until(() => server.watches.size === 2)
  for (const { target, response } of server.watches) if (target.resource === '/configmaps') response.write = () => true
  server.put(Greeting, greeting('hi'))
  await until(() => server.get(Greeting, 'hello', 'default').status?.seen)
  await until(() => heard.includes('made'))
})

test("somebody else's change that comes with the answer to an own write is not lost", async (t) => {
  const seen: string[] = []
  const reader = controller(Greeting, { name: 'reader' }).step('read', async (axn) => {
    seen.push(axn.object.spec.message)
    if (seen.length > 1) return axn
    // the answer to this patch holds the message of another client, whose own event is never sent
    for (const { response } of server.watches) response.write = () => true
    server.put(Greeting, { ...server.get(Greeting, 'hello', 'default'), spec: { message: 'changed' } })
    return axn.patch(
      { type: Greeting, name: axn.name, namespace: axn.namespace! },
      { metadata: { labels: { a: 'b' } } },
    )
  })
  const { server } = await start(t, [reader])
  server.put(Greeting, greeting('first'))
  await until(() => seen.length > 1)
  assert.deepEqual(seen, ['first', 'changed'])
})

test('an own write starts no pass of its own', async (t) => {
  let passes = 0
  const counter = controller(Greeting, { name: 'counter' }).step('count', (axn) => {
    passes++
    return axn.status({ message: axn.object.spec.message }).condition('Ready', true, 'Counted')
  })
  const { server, operator } = await start(t, [counter])
  server.put(Greeting, greeting('hi'))
  const written = await until(
    () => server.get(Greeting, 'hello', 'default').status && server.get(Greeting, 'hello', 'default'),
  )
  // a later event of the same watch proves that the echo has come and gone
  server.put(Greeting, greeting('other', 'other'))
  await until(() => operator.lister.get(Greeting, 'other', 'default')?.status)
  assert.equal(
    operator.lister.get(Greeting, 'hello', 'default')?.metadata.resourceVersion,
    written.metadata.resourceVersion,
  )
  assert.equal(passes, 2)
})

test('a state machine that moves by hand goes on by itself, and may set status as well', async (t) => {
  const machine = controller(Greeting).step('move', (axn) => {
    const state = Number(axn.object.metadata.labels?.['state'] ?? 0)
    const move = { metadata: { labels: { state: String(state + 1) } } }
    const next = axn.status({ state })
    const ref = { name: axn.name, namespace: axn.namespace! }
    return state === 5 ? next : next.run('move', async (kube) => void (await kube.patch(Greeting, ref, move)))
  })
  const { server } = await start(t, [machine])
  server.put(Greeting, greeting('hi'))
  await until(() => server.get(Greeting, 'hello', 'default').status?.state === 5)
  assert.equal(writes(server).length, 11)
})

test('of two operators with one lease one works; the other has its caches warm and follows at once', async (t) => {
  const clock = new FakeClock()
  const passes: string[] = []
  const worker = (identity: string) =>
    controller(Greeting).step('work', (axn) => {
      passes.push(`${identity} ${axn.name}`)
      return axn
    })
  const lease = (identity: string) => ({ lease: { name: 'op', namespace: 'default', identity }, clock })
  const first = await start(t, [worker('first')], lease('first'))
  await first.operator.ready
  const second = await start(t, [worker('second')], { ...lease('second'), server: first.server })
  first.server.put(Greeting, greeting('hi', 'one'))
  await until(() => passes.length > 0)
  await until(() => second.operator.lister.get(Greeting, 'one', 'default'))
  assert.deepEqual(passes, ['first one'])
  first.stop.abort()
  await first.operator.stopped
  await passing(clock, () => passes.length > 1)
  assert.deepEqual(passes, ['first one', 'second one'])
})

test('when it stops, a pass that runs is finished and no other is begun', async (t) => {
  const gate = deferred<void>()
  let passes = 0
  const slow = controller(Greeting, { concurrency: 1 }).step('wait', async (axn) => {
    passes++
    await gate.promise
    return axn.status({ done: true })
  })
  const { server, operator, stop } = await start(t, [slow])
  server.put(Greeting, greeting('x', 'running'))
  await until(() => passes === 1)
  server.put(Greeting, greeting('x', 'waiting'))
  await until(() => operator.health().queues['greeting'] === 1)
  stop.abort()
  gate.resolve()
  await operator.stopped
  assert.equal(server.get(Greeting, 'running', 'default').status.done, true)
  assert.equal(server.get(Greeting, 'waiting', 'default').status, undefined)
})

test('one namespace only, and trimmed, when asked', async (t) => {
  const { server, operator } = await start(t, [greeter], {
    namespace: 'default',
    transform: (_, object) => {
      delete object.metadata.annotations
      return object
    },
  })
  await operator.ready
  server.put(Greeting, { metadata: { name: 'far', namespace: 'other' }, spec: { message: 'x' } })
  const near = greeting('hi')
  server.put(Greeting, { ...near, metadata: { ...near.metadata, annotations: { long: 'story' } } })
  const cached = await until(() => operator.lister.get(Greeting, 'hello', 'default'))
  assert.equal(cached.metadata.annotations, undefined)
  assert.deepEqual(
    operator.lister.list(Greeting).map(({ metadata }) => metadata.name),
    ['hello'],
  )
  assert.throws(() => operator.lister.list(Event), { code: 'undeclared-kind' })
})
