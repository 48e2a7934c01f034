import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { buildMs, client, clusterOfFile, kubectl } from './clients.ts'

const home = clusterOfFile()

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'greetings.example.dev' },
  spec: {
    group: 'example.dev',
    scope: 'Namespaced',
    names: {
      plural: 'greetings',
      singular: 'greeting',
      kind: 'Greeting',
      listKind: 'GreetingList',
      shortNames: ['gr'],
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Word', type: 'string', jsonPath: '.spec.word' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['name'],
                properties: { name: { type: 'string', maxLength: 20 }, word: { type: 'string', default: 'hello' } },
                'x-kubernetes-validations': [{ rule: 'self.name != self.word', message: 'greets itself' }],
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
}
const greeting = (name: string, spec: object) => ({
  apiVersion: 'example.dev/v1',
  kind: 'Greeting',
  metadata: { name },
  spec,
})

test('a controller-runtime manager keeps a kind of its own', { timeout: buildMs }, async (t) => {
  const program = await client(t, 'manager')
  const tool = program && ((await client(t, 'kubectl-go')) as string)
  if (!program || !tool) return
  const k = await kubectl(t, home(), tool)
  const apply = (object: any) => k.ok('apply', '-f', k.file(`${object.metadata.name}.json`, JSON.stringify(object)))
  const text = (name: string) => k.ok('get', `configmap/${name}`, '-o', 'jsonpath={.data.text}', '--ignore-not-found')
  await apply(definition)
  await k.ok('wait', '--for=condition=Established', 'crd/greetings.example.dev', '--timeout=20s')

  const start = () => {
    const child = spawn(program, { env: home().env, stdio: ['ignore', 'ignore', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    let log = ''
    child.stderr.on('data', (data) => {
      log += data
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return { child, ended, log: () => log }
  }
  const first = start()
  const holder = () =>
    k.ok(
      'get',
      'lease/greetings.example.dev',
      '-n',
      'default',
      '-o',
      'jsonpath={.spec.holderIdentity}',
      '--ignore-not-found',
    )
  const leader = await until(async () => (await holder()) || undefined, { what: 'a leader' })
  const second = start()

  await apply(greeting('world', { name: 'world' }))
  await until(async () => (await text('world')) === 'hello, world')
  await k.ok('wait', '--for=condition=Ready', 'greeting/world', '--timeout=20s')
  assert.match(await k.ok('get', 'gr'), /NAME +WORD +READY\nworld +hello +True/)
  await apply(greeting('again', { name: 'world', word: 'hi' }))
  await until(async () => (await k.ok('get', 'gr/again', '-o', 'jsonpath={.status.namesakes}')) === '2')
  assert.match(await k.refused('patch', 'gr/again', '--type=merge', '-p', '{"spec":{"word":"world"}}'), /greets itself/)

  await k.ok('delete', 'configmap/world')
  await until(async () => (await text('world')) === 'hello, world', { what: 'the owned object made anew' })
  await k.ok('patch', 'gr/world', '--type=merge', '-p', '{"spec":{"word":"welcome"}}')
  await until(async () => (await text('world')) === 'welcome, world')
  assert.equal((await k.json('get', 'gr/world')).status.observedGeneration, 2)

  assert.equal(await holder(), leader)
  first.child.kill('SIGTERM')
  assert.equal(await first.ended, 0, first.log())
  await until(async () => !['', leader].includes(await holder()), { what: 'another leader' })
  await k.ok('delete', 'gr/world', '--timeout=20s')
  assert.equal(await text('world-farewell'), 'goodbye, world')
  await until(async () => (await text('world')) === '', { what: 'the owned object collected' })
  second.child.kill('SIGTERM')
  assert.equal(await second.ended, 0, second.log())
  assert.doesNotMatch(second.log(), /Reconciler error/)
})
