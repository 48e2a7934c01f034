import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { KubeObject } from '#kube'
import { parseSpec } from '#spec'
import {
  baseName,
  type CompileInput,
  compile,
  configSecret,
  diff,
  prerequisites,
  releaseJob,
  renderDiff,
  runJob,
  toYaml,
} from './index.ts'

function input(spec: string, rest: Partial<CompileInput> = {}): CompileInput {
  const parsed = parseSpec(spec, { file: 'cuddle.yaml' })
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return {
    app: 'shop',
    namespace: 'shop',
    spec: parsed.spec,
    release: 1,
    image: 'cuddle.local/shop@sha256:aa',
    config: {},
    scale: {},
    environment: { baseDomain: 'localhost', scheme: 'http' },
    runtime: 'generic',
    ...rest,
  }
}

const two = 'processes: {web: bin/web, worker: bin/worker}'
const find = (objects: KubeObject[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)

test('another release of the same app restarts nothing and changes nothing but annotations', () => {
  const before = compile(input(two))
  const after = compile(input(two, { release: 2 }))
  assert.equal(find(after, 'Deployment', 'shop-web')?.metadata.annotations?.['cuddle.dev/release'], '2')
  assert.deepEqual(diff(before, after), [])
  assert.equal(renderDiff([]), 'no changes\n')
})

test('what only one process is told restarts only that process', () => {
  const result = diff(compile(input(two)), compile(input('processes: {web: bin/web, worker: bin/worker --fast}')))
  assert.deepEqual(
    result.map(({ kind, name, action, restarts }) => [kind, name, action, restarts]),
    [['Deployment', 'shop-worker', 'update', 'worker']],
  )
  assert.deepEqual(result[0].changes, [
    {
      path: 'spec.template.spec.containers[worker].command',
      before: ['/bin/sh', '-c', 'exec bin/worker'],
      after: ['/bin/sh', '-c', 'exec bin/worker --fast'],
    },
  ])
})

test('scaling restarts nothing; a budget comes with the second replica', () => {
  const result = diff(compile(input(two)), compile(input(two, { scale: { web: 2 } })))
  assert.deepEqual(
    result.map(({ kind, action, restarts }) => [kind, action, restarts]),
    [
      ['Deployment', 'update', undefined],
      ['PodDisruptionBudget', 'create', undefined],
    ],
  )
})

test('config is in an object named by its content, and whoever uses it restarts', () => {
  const one = input(two, { config: { A: '1', B: 'x' } })
  const same = configSecret({ ...one, config: { B: 'x', A: '1' }, release: 9 })
  assert.equal(configSecret(one)?.metadata.name, same?.metadata.name, 'the order does not matter')
  const result = diff(compile(one), compile(input(two, { config: { A: '2', C: 'secret' } })))
  const secret = result.find(({ kind }) => kind === 'Secret')
  assert.equal(secret?.name, 'shop-env')
  assert.deepEqual(secret?.changes, [
    { path: 'data.A', before: '(redacted)', after: '(redacted)' },
    { path: 'data.B', before: '(redacted)' },
    { path: 'data.C', after: '(redacted)' },
  ])
  assert.deepEqual(
    result.flatMap(({ restarts }) => restarts ?? []),
    ['web', 'worker'],
  )
})

test('no secret value is printed by plan or export', () => {
  const value = 'correct horse battery staple'
  const encoded = Buffer.from(value).toString('base64')
  const before = compile(input(two, { config: { PASSWORD: value } }))
  const after = compile(input(two, { config: { PASSWORD: `${value}!`, KEY: 'k' } }))
  const printed = [
    toYaml(after),
    renderDiff(diff(before, after)),
    JSON.stringify(diff(before, after)),
    JSON.stringify(diff([], after)),
    renderDiff(diff(before, [])),
  ].join()
  assert.match(printed, /PASSWORD/)
  for (const secret of [value, encoded, encoded.slice(0, 20)]) assert.ok(!printed.includes(secret))
})

test('the plan is readable, and nothing in it reaches the terminal raw', () => {
  const before = compile(input('processes: {web: bin/web, old: bin/old}'))
  const after = compile(input('processes: {web: "bin/web \\e[31mred"}', { scale: { web: 2 } }))
  const text = renderDiff(diff(before, after))
  assert.match(text, /^~ Deployment shop-web {2}\(web restarts\)$/m)
  assert.match(text, /^ {4}spec\.replicas: 1 → 2$/m)
  assert.match(text, /^- Deployment shop-old$/m)
  assert.match(text, /^1 to create, 1 to change, 1 to delete; web restarts$/m)
  assert.ok(!text.includes('\x1b'))
  assert.ok(renderDiff(diff(before, after), { colour: true }).includes('\x1b[33m'))
})

test('values of any kind survive in a Secret', () => {
  const config = { LINES: 'a\nb\r\n', QUOTES: `"'\`$(x)`, LARGE: 'x'.repeat(100_000), EMPTY: '', UNICODE: '✓ ü' }
  const { data } = configSecret(input(two, { config }))!
  for (const [name, value] of Object.entries(config)) assert.equal(Buffer.from(data[name], 'base64').toString(), value)
})

test('YAML that other readers take for something else than text is quoted', () => {
  const values = [
    'true',
    'No',
    'null',
    '~',
    '',
    '1',
    '0x1f',
    '1e3',
    '.5',
    '1_000',
    '1:30',
    '2001-01-01',
    '256Mi',
    '100m',
    'a: b',
    'a:',
    'a #b',
    '- a',
    '? a',
    '*a',
    '&a',
    '!a',
    '@a',
    '`a',
    '%a',
    "'",
    '"',
    '{',
    '[',
    '|',
    '>',
    ' a',
    'a ',
    'a\nb',
    '\t',
    '\u2028',
    '=',
    '<<',
    'ü',
    '-',
    '...',
    '---',
    '.inf',
    'a: ',
    '012',
    '+1',
    '1k',
  ]
  const data = Object.fromEntries(values.map((value, index) => [`K${index}`, value]))
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x' },
    data,
    list: [values, [], {}, [[1]], [{}]],
  }
  for (const version of ['1.1', '1.2'] as const) assert.deepEqual(parse(toYaml([object]), { version }), object)
})

test('a process with storage never runs twice', () => {
  const stored = 'processes: {web: bin/web}\nstorage: {/data: 1Gi}'
  assert.throws(() => compile(input(stored, { scale: { web: 2 } })), { code: 'storage_scale' })
  assert.equal(find(compile(input(stored)), 'Deployment', 'shop-web')?.spec.strategy.type, 'Recreate')
})

test('the release phase needs its config first, and exists only when the spec has one', () => {
  assert.equal(releaseJob(input(two)), undefined)
  const objects = compile(input(`${two}\nrelease: bin/migrate`, { config: { A: '1' } }))
  assert.deepEqual(
    [...new Set(prerequisites(objects).map(({ kind }) => kind))],
    ['Namespace', 'ServiceAccount', 'NetworkPolicy', 'Secret'],
  )
})

test('a one-off command gets the config, and its own variables as they are', () => {
  const job = runJob(input(two, { config: { A: '1' } }), {
    name: 'shop-run-1',
    command: ['ls'],
    env: { B: '$(A)', HOME: '/x' },
  })
  const [container] = job.spec.template.spec.containers
  assert.deepEqual(container.env, [
    { name: 'B', value: '$$(A)' },
    { name: 'HOME', value: '/x' },
  ])
  assert.match(container.envFrom[0].secretRef.name, /^shop-env-/)
  assert.equal(job.spec.backoffLimit, 0)
})

test('patches cannot reach the prototype', () => {
  const spec = input(two).spec
  const patch = JSON.parse('{"metadata":{"__proto__":{"polluted":true},"annotations":{"a":"b"}}}')
  const objects = compile(input(two, { spec: { ...spec, patches: [{ target: { kind: 'Service' }, patch }] } }))
  assert.equal(find(objects, 'Service', 'shop-web')?.metadata.annotations?.a, 'b')
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('the longest names still fit what they become', () => {
  const app = 'a'.repeat(30)
  const long = 'p'.repeat(20)
  const objects = compile(
    input(
      `processes: {web: x, ${long}: {command: x, port: 9000}}\ncron: {${'c'.repeat(20)}: {schedule: "@daily", command: x}}`,
      { app, namespace: app },
    ),
  )
  for (const object of objects) assert.ok(object.metadata.name!.length <= (object.kind === 'CronJob' ? 52 : 63))
})

test('base names', () => {
  const secret = configSecret(input(two, { config: { A: '1' } }))!
  assert.equal(baseName(secret), 'shop-env')
  assert.equal(baseName({ metadata: { name: 'shop-bcdfghjklm' } }), 'shop-bcdfghjklm')
})
