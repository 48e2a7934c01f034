import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKube, Event, httpTransport } from '#kube'
import { silentLogger } from '#lib'
import { EventRecorder } from './events.ts'
import { FakeClock, MockApiServer } from './testing/harness.ts'
import { status } from './testing/mock-api-server.ts'

const about = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'n', uid: 'u' } }
const event = (message: string) => ({ type: 'Normal' as const, reason: 'Started', message, about })

async function setup(t: Parameters<typeof MockApiServer.start>[0]) {
  const server = await MockApiServer.start(t)
  const kube = createKube(httpTransport({ server: server.url, namespace: 'default' }))
  t.after(() => kube.close())
  const clock = new FakeClock()
  const recorder = new EventRecorder({ kube, clock, log: silentLogger })
  const counts = () => Object.fromEntries(server.all(Event).map(({ message, count }) => [message, count]))
  return { server, clock, recorder, counts }
}

test('equal events are counted on one object', async (t) => {
  const { server, recorder, counts } = await setup(t)
  recorder.record('kubelet', event('one'))
  await recorder.flush()
  for (let times = 0; times < 4; times++) recorder.record('kubelet', event('one'))
  recorder.record('kubelet', event('two'))
  await recorder.flush()
  assert.deepEqual(counts(), { one: 5, two: 1 })
  const [first] = server.all(Event)
  assert.deepEqual(first.involvedObject, { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'n', uid: 'u' })
  assert.equal(first.source.component, 'kubelet')
})

test('names of events are in the order in which they happened', async (t) => {
  const { server, recorder } = await setup(t)
  for (const message of ['scheduled', 'pulled', 'started']) recorder.record('kubelet', event(message))
  await recorder.flush()
  const events = server.all(Event).sort((a: any, b: any) => (a.metadata.name < b.metadata.name ? -1 : 1))
  assert.deepEqual(
    events.map((event: any) => event.message),
    ['scheduled', 'pulled', 'started'],
  )
})

test('an event whose object has expired starts anew', async (t) => {
  const { server, recorder, counts } = await setup(t)
  recorder.record('kubelet', event('one'))
  await recorder.flush()
  server.remove(Event, server.all(Event)[0].metadata.name, 'n')
  recorder.record('kubelet', event('one'))
  await recorder.flush()
  assert.deepEqual(counts(), { one: 1 })
})

test('a chatty object is throttled, and a server that refuses is nobody else’s trouble', async (t) => {
  const { server, clock, recorder, counts } = await setup(t)
  for (let index = 0; index < 100; index++) recorder.record('kubelet', event(`m${index}`))
  await recorder.flush()
  assert.equal(Object.keys(counts()).length, 25)
  await clock.advance(5 * 60_000)
  recorder.record('kubelet', event('later'))
  await recorder.flush()
  assert.equal(counts()['later'], 1)
  await clock.advance(5 * 60_000)
  server.intercept = (_, response) => {
    status(response, 403, 'Forbidden', 'no')
    return true
  }
  recorder.record('kubelet', event('refused'))
  await recorder.flush()
})
