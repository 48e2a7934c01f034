import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '#lib'
import { type Axn, controller } from './index.ts'
import { FakeClock, Greeting, greeting, MockApiServer, passing, start, until } from './testing/harness.ts'
import { failure, json, send, status } from './testing/mock-api-server.ts'

const watcher = controller(Greeting).step('nothing', (axn) => axn)
const isWatch = (url: URL) => url.searchParams.get('watch') === 'true'
const lists = (server: MockApiServer) => server.requests.filter(({ query }) => !query.has('watch')).length
const watches = (server: MockApiServer) => server.requests.filter(({ query }) => query.has('watch'))

/** An operator that has synced and watches. */
async function watching(t: Parameters<typeof start>[0], clock = new FakeClock()) {
  const started = await start(t, [watcher], { clock })
  await started.operator.ready
  await until(() => started.server.watches.size === 1)
  const message = (name = 'hello') => started.operator.lister.get(Greeting, name, 'default')?.spec.message
  return { ...started, clock, message }
}

test('a connection that is reset within an event: the watch goes on from the last event', async (t) => {
  const { server, clock, message } = await watching(t)
  server.put(Greeting, greeting('one'))
  await until(() => message() === 'one')
  const seen = server.get(Greeting, 'hello', 'default').metadata.resourceVersion
  for (const { response } of server.watches) {
    response.write('{"type":"MODIFIED","object":{"metadata":{"na')
    response.socket?.resetAndDestroy()
  }
  server.put(Greeting, greeting('two'))
  await passing(clock, () => message() === 'two')
  assert.equal(watches(server)[1]!.query.get('resourceVersion'), seen)
  assert.equal(lists(server), 1)
})

test('a half-open connection: silence for longer than bookmarks are apart ends the watch', async (t) => {
  const { server, clock, message } = await watching(t)
  for (const { response } of server.watches) response.write = () => true
  server.put(Greeting, greeting('unheard'))
  await clock.advance(69_000)
  assert.equal(watches(server).length, 1)
  await clock.advance(1_000)
  await until(() => message() === 'unheard')
  assert.equal(watches(server).length, 2)
})

test('bookmarks keep a quiet watch alive and move it on', async (t) => {
  const { server, clock, operator } = await watching(t)
  for (let minute = 0; minute < 5; minute++) {
    server.bookmark()
    await until(() => operator.health().reflectors['Greeting.x.io']!.lastSeen < 60_000)
    await clock.advance(60_000)
  }
  assert.equal(watches(server).length, 1)
})

test('history that is gone, told by an ERROR event: listed again, and what went meanwhile is gone', async (t) => {
  const { server, clock, message } = await watching(t)
  server.put(Greeting, greeting('one'))
  server.put(Greeting, greeting('kept', 'kept'))
  await until(() => message('kept'))
  for (const { response } of server.watches) response.destroy()
  server.remove(Greeting, 'hello', 'default')
  server.put(Greeting, greeting('new', 'new'))
  server.compact()
  await passing(clock, () => message('new') === 'new')
  assert.equal(message(), undefined)
  assert.equal(message('kept'), 'kept')
  assert.equal(lists(server), 2)
})

test('history that is gone, told by the HTTP status', async (t) => {
  const { server, clock, message } = await watching(t)
  let told = false
  server.intercept = (_, response, url) => {
    if (told || !isWatch(url)) return false
    told = true
    status(response, 410, 'Expired', 'too old')
    return true
  }
  for (const { response } of server.watches) response.end()
  server.put(Greeting, greeting('new', 'new'))
  await passing(clock, () => message('new') === 'new')
  assert.equal(told, true)
})

test('a continue token that expires between pages: the list starts over', async (t) => {
  const server = await MockApiServer.start(t)
  for (let index = 0; index < 600; index++) server.put(Greeting, greeting('many', `g${index}`))
  server.intercept = (_, __, url) => {
    if (!url.searchParams.has('continue')) return false
    server.intercept = undefined
    server.put(Greeting, greeting('late', 'late'))
    server.compact()
    return false
  }
  const { operator } = await start(t, [watcher], { server })
  await operator.ready
  assert.equal(operator.lister.list(Greeting).length, 601)
})

test('429 with Retry-After is obeyed to the second', async (t) => {
  const { server, clock, message } = await watching(t)
  server.intercept = (_, response, url) => {
    if (isWatch(url)) status(response, 429, 'TooManyRequests', 'busy', { 'retry-after': '7' })
    return isWatch(url)
  }
  for (const { response } of server.watches) response.end()
  await passing(clock, () => watches(server).length === 2)
  const refused = clock.monotonic()
  await until(() => clock.pending > 0)
  server.intercept = undefined
  server.put(Greeting, greeting('later'))
  await passing(clock, () => message() === 'later', 500)
  assert.ok(clock.monotonic() - refused >= 6_500, `only ${clock.monotonic() - refused} ms`)
})

test('no rights: it keeps trying and says why it is not ready', async (t) => {
  const clock = new FakeClock()
  const server = await MockApiServer.start(t)
  server.intercept = (_, response) => {
    status(response, 403, 'Forbidden', 'greetings.x.io is forbidden')
    return true
  }
  const { operator } = await start(t, [watcher], { server, clock })
  const health = () => operator.health()
  await until(() => health().reflectors['Greeting.x.io']?.error)
  assert.match(health().reflectors['Greeting.x.io']!.error!, /forbidden/)
  assert.equal(health().ready, false)
  server.intercept = undefined
  await passing(clock, () => health().ready)
  assert.equal(health().reflectors['Greeting.x.io']!.error, undefined)
})

test('events that come twice or in the wrong order change nothing', async (t) => {
  const { server, message } = await watching(t)
  const event = (type: string, resourceVersion: string, text: string) => ({
    type,
    object: {
      apiVersion: 'x.io/v1',
      kind: 'Greeting',
      ...greeting(text),
      metadata: { ...greeting('').metadata, uid: 'u', resourceVersion },
    },
  })
  const { response } = [...server.watches][0]!
  send(response, event('ADDED', '1000', 'new'))
  send(response, event('MODIFIED', '999', 'old'))
  send(response, event('ADDED', '1000', 'again'))
  send(response, event('DELETED', '998', 'old'))
  send(response, {
    ...event('ADDED', '1001', 'last'),
    object: {
      ...event('', '1001', 'last').object,
      metadata: { name: 'last', namespace: 'default', resourceVersion: '1001' },
    },
  })
  await until(() => message('last'))
  assert.equal(message(), 'new')
})

test('garbage in a list or a watch is survived', async (t) => {
  const { server, clock, message } = await watching(t)
  let garbage = 0
  server.intercept = (_, response, url) => {
    if (!isWatch(url) || ++garbage > 2) return false
    if (garbage === 1) response.end('<html>\n')
    else json(response, 200, { type: 'ERROR', object: failure(500, 'InternalError', 'oops') })
    return true
  }
  for (const { response } of server.watches) response.end()
  server.put(Greeting, greeting('fine'))
  await passing(clock, () => message() === 'fine')
  assert.equal(garbage, 3)
})

test('a handler that throws is tried again, later and later, and stops nobody else', async (t) => {
  const clock = new FakeClock()
  const tries: number[] = []
  const thrower = controller(Greeting).step('throw', (axn) => {
    if (axn.name !== 'bad') return axn.status({ ok: true })
    tries.push(clock.monotonic())
    throw new Error('no')
  })
  const { server } = await start(t, [thrower], { clock })
  server.put(Greeting, greeting('x', 'bad'))
  await passing(clock, () => tries.length > 6, 1)
  const gaps = tries.slice(1).map((at, index) => at - tries[index]!)
  for (let index = 1; index < gaps.length; index++) assert.ok(gaps[index]! > gaps[index - 1]!, gaps.join())
  server.put(Greeting, greeting('x', 'good'))
  await until(() => server.get(Greeting, 'good', 'default').status?.ok)
})

test('a handler that never resolves is given up, and what it does later has no effect', async (t) => {
  const clock = new FakeClock()
  const late = deferred<Axn<Greeting>>()
  let passes = 0
  const sleeper = controller(Greeting, { concurrency: 1, timeout: 60_000 }).step('sleep', (axn) => {
    if (axn.name !== 'stuck') return axn.status({ ok: true })
    return ++passes === 1 ? late.promise.then(() => axn.status({ late: true })) : axn.status({ pass: passes })
  })
  const { server, operator } = await start(t, [sleeper], { clock })
  server.put(Greeting, greeting('x', 'stuck'))
  await until(() => passes === 1)
  server.put(Greeting, greeting('x', 'waits'))
  await until(() => operator.health().queues['greeting'] === 1)
  await passing(clock, () => server.get(Greeting, 'waits', 'default').status?.ok)
  await passing(clock, () => server.get(Greeting, 'stuck', 'default').status?.pass === 2)
  late.resolve(undefined as never)
  server.put(Greeting, greeting('x', 'after'))
  await until(() => server.get(Greeting, 'after', 'default').status?.ok)
  assert.equal(server.get(Greeting, 'stuck', 'default').status.late, undefined)
})

test('a filter or map that throws does not stop the stream', async (t) => {
  const filtered = controller(Greeting, {
    filter: (object) => {
      if (object.metadata.name === 'bad') throw new Error('no')
      return true
    },
  }).step('mark', (axn) => axn.status({ ok: true }))
  const { server } = await start(t, [filtered])
  server.put(Greeting, greeting('x', 'bad'))
  server.put(Greeting, greeting('x', 'good'))
  await until(() => server.get(Greeting, 'good', 'default').status?.ok)
})

test('an object that goes while it is reconciled is no error', async (t) => {
  const clock = new FakeClock()
  const gone = controller(Greeting).step('lose', (axn) => {
    server.remove(Greeting, axn.name, axn.namespace)
    return axn
      .status({ ok: true })
      .delete({ type: Greeting, name: 'never-was', namespace: 'default' })
      .patch({ type: Greeting, name: axn.name, namespace: axn.namespace! }, { metadata: { labels: { a: 'b' } } })
  })
  const { server, operator } = await start(t, [gone], { clock })
  server.put(Greeting, greeting('x'))
  await until(() => server.requests.some(({ method, path }) => method === 'PATCH' && path.endsWith('/status')))
  await until(() => operator.lister.list(Greeting).length === 0)
  assert.equal(operator.health().queues['greeting'], 0)
})

test('a conflict on an own write leads to another pass with the new object', async (t) => {
  let passes = 0
  const loser = controller(Greeting).step('lose', (axn) => {
    if (++passes === 1) server.put(Greeting, { ...server.get(Greeting, 'hello', 'default'), spec: { message: 'two' } })
    return axn.status({ message: axn.object.spec.message })
  })
  const { server } = await start(t, [loser])
  server.put(Greeting, greeting('one'))
  await until(() => server.get(Greeting, 'hello', 'default').status?.message === 'two')
})

test('hours of watches that the server ends: one list, no pass, nothing missed', async (t) => {
  const { server, clock, message } = await watching(t)
  for (let ended = 0; ended < 30; ended++) {
    await clock.advance(60_000)
    server.bookmark()
    await clock.advance(60_000)
    for (const { response } of server.watches) response.end()
    server.put(Greeting, greeting(`after ${ended}`))
    await passing(clock, () => message() === `after ${ended}`, 10)
  }
  assert.equal(lists(server), 1)
})
