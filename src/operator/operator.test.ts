import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ConfigMap, createKube, Event, getCondition, httpTransport, type KubeObject, type ResourceType } from '#kube'
import { silentLogger } from '#lib'
import { until } from '#lib/testing'
import { type Axn, type Controller, controller, type OperatorOptions, startOperator } from './index.ts'
import { MockApiServer } from './testing/mock-api-server.ts'

export interface Greeting extends KubeObject {
  spec: { message: string; copies?: number }
  status?: { copies: number }
}
export const Greeting: ResourceType<Greeting> = {
  group: 'x.io',
  version: 'v1',
  kind: 'Greeting',
  plural: 'greetings',
  namespaced: true,
}

const greeter = controller(Greeting, { owns: [ConfigMap] }).step('greet', (axn) => {
  const { message, copies = 1 } = axn.object.spec
  let next: Axn<Greeting> = axn
  for (let copy = 0; copy < copies; copy++)
    next = next.child(ConfigMap, { metadata: { name: `${axn.name}-${copy}` }, data: { message } })
  return next.status({ copies }).condition('Ready', true, 'Applied').event('Greeted', message)
})

async function start(t: TestContext, controllers: Controller<any>[], options: Partial<OperatorOptions> = {}) {
  const server = await MockApiServer.start(t)
  const kube = createKube(httpTransport({ server: server.url, namespace: 'default' }))
  const stop = new AbortController()
  const operator = startOperator({ kube, controllers, signal: stop.signal, log: silentLogger, ...options })
  t.after(async () => {
    stop.abort()
    await operator.stopped
    kube.close()
  })
  await operator.ready
  return { server, kube, operator, stop }
}

const writes = (server: MockApiServer) => server.requests.filter(({ method }) => method !== 'GET')
const greeting = (message: string, copies = 1) => ({
  metadata: { name: 'hello', namespace: 'default' },
  spec: { message, copies },
})

test('a new object gets its children, its status, a condition and an Event', async (t) => {
  const { server } = await start(t, [greeter], { freeze: true })
  server.put(Greeting, greeting('hi'))
  const child = await until(() => server.get(ConfigMap, 'hello-0', 'default'))
  assert.deepEqual(child.data, { message: 'hi' })
  assert.equal(child.metadata.ownerReferences[0].controller, true)
  const live = await until(
    () => server.get(Greeting, 'hello', 'default').status && server.get(Greeting, 'hello', 'default'),
  )
  assert.equal(live.status.copies, 1)
  assert.equal(getCondition(live, 'Ready')?.observedGeneration, 1)
  const event = await until(() => server.all(Event)[0])
  assert.equal(event.reason, 'Greeted')
  assert.equal(event.involvedObject.uid, live.metadata.uid)
})

test('at rest nothing is written, and a changed child is put right', async (t) => {
  const { server } = await start(t, [greeter])
  server.put(Greeting, greeting('hi'))
  await until(() => server.all(Event).length > 0)
  const before = writes(server).length
  const child = server.get(ConfigMap, 'hello-0', 'default')
  server.put(ConfigMap, { ...child, metadata: { ...child.metadata, labels: { seen: 'yes' } } })
  server.put(ConfigMap, { ...server.get(ConfigMap, 'hello-0', 'default'), data: { message: 'drift' } })
  await until(() => server.get(ConfigMap, 'hello-0', 'default').data.message === 'hi')
  const after = writes(server).slice(before)
  assert.deepEqual(
    after.filter(({ path }) => !path.includes('/events')).map(({ method }) => method),
    ['PATCH'],
  )
})

test('children that are no longer named are pruned; others are left alone', async (t) => {
  const { server } = await start(t, [greeter])
  const { metadata } = server.put(Greeting, greeting('hi', 3))
  await until(() => server.all(ConfigMap).length === 3)
  server.put(ConfigMap, { metadata: { name: 'bystander', namespace: 'default' } })
  server.put(Greeting, { ...server.get(Greeting, 'hello', 'default'), ...greeting('hi', 1), metadata })
  await until(() => server.all(ConfigMap).length === 2)
  assert.deepEqual(
    server
      .all(ConfigMap)
      .map(({ metadata }) => metadata.name)
      .sort(),
    ['bystander', 'hello-0'],
  )
})
