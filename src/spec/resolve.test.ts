import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatProblem,
  missingConfig,
  type ResolveInput,
  readAppJson,
  readProcfile,
  resolveSpec,
  validAppName,
  validConfig,
} from './index.ts'

const elixir: ResolveInput['detected'] = { processes: { web: 'bin/shop start' }, kind: 'elixir' }

function resolve(files: Record<string, string>, rest: Partial<ResolveInput> = {}) {
  const result = resolveSpec({ files, detected: elixir, appName: 'shop', ...rest })
  assert.ok(result.ok, JSON.stringify(result))
  return result
}

function refused(files: Record<string, string>, rest: Partial<ResolveInput> = {}): string {
  const result = resolveSpec({ files, detected: elixir, appName: 'shop', ...rest })
  assert.equal(result.ok, false)
  return result.ok ? '' : result.problems.map(formatProblem).join('\n')
}

test('no file at all: what was detected runs', () => {
  const { spec, origins } = resolve({})
  assert.equal(spec.app, 'shop')
  assert.equal(spec.processes.web.command, 'bin/shop start')
  assert.equal(origins['processes.web'], 'detected')
})

test('a detected port becomes the port of web', () => {
  const { spec } = resolve({}, { detected: { processes: { web: 'x' }, kind: 'node', port: 3000 } })
  assert.equal(spec.processes.web.port, 3000)
})

test('a Procfile says everything that runs', () => {
  const { spec, origins } = resolve({ Procfile: '# ours\nworker: bin/worker\n\nrelease: bin/migrate\n' })
  assert.deepEqual(Object.keys(spec.processes), ['worker'])
  assert.equal(spec.release?.command, 'bin/migrate')
  assert.equal(origins.release, 'Procfile')
})

test('cuddle.yaml before Procfile before app.json before what was detected', () => {
  const { spec, origins } = resolve({
    'cuddle.yaml': 'processes: {web: {size: large}, extra: bin/extra}\nenv: {A: yaml}\nscale: {web: 3}',
    Procfile: 'web: bin/web\nworker: bin/worker',
    'app.json': `{
\t"formation": {"web": {"quantity": 2, "size": "standard-1x"}, "worker": {"quantity": 4}},
\t"env": {"A": "json", "B": "json", "S": {"generator": "secret"}, "P": {"description": "ask"}},
\t"cron": [{"command": "bin/n", "schedule": "0 3 * * *"}]
}`,
  })
  assert.deepEqual(Object.keys(spec.processes), ['web', 'worker', 'extra'])
  assert.equal(spec.processes.web.command, 'bin/web')
  assert.equal(spec.processes.web.size.memory, '1Gi')
  assert.equal(spec.processes.web.scale.min, 3)
  assert.equal(spec.processes.worker.scale.min, 4)
  assert.deepEqual(spec.env, {
    A: { value: 'yaml' },
    B: { value: 'json' },
    S: { generate: true },
    P: { prompt: true, description: 'ask' },
  })
  assert.equal(spec.cron['cron-1'].command, 'bin/n')
  assert.deepEqual(
    [origins['processes.web'], origins['scale.web'], origins['scale.worker'], origins['env.B']],
    ['Procfile', 'cuddle.yaml', 'app.json', 'app.json'],
  )
})

test('an environment overrides the file, also what the file says at a process', () => {
  const files = {
    'cuddle.yaml': `
processes: {web: {command: x, scale: 4, size: large}, worker: bin/w}
domains: [shop.example.com]
env: {A: 1, B: 2}
environments:
  review: {scale: {web: 1}, size: small, domains: [], env: {B: 3}, processes: {worker: {drain: 1m}}}
`,
  }
  assert.equal(resolve(files).spec.processes.web.scale.min, 4)
  const { spec } = resolve(files, { environment: 'review' })
  assert.equal(spec.processes.web.scale.min, 1)
  assert.equal(spec.processes.web.size.memory, '256Mi')
  assert.equal(spec.processes.worker.command, 'bin/w')
  assert.equal(spec.processes.worker.drain, 60)
  assert.deepEqual(spec.domains, [])
  assert.deepEqual(spec.env, { A: { value: '1' }, B: { value: '3' } })
  assert.match(refused(files, { environment: 'reviw' }), /did you mean review/)
})

test('problems of all files are told together', () => {
  const text = refused({
    'cuddle.yaml': 'scale: {web: 10..2}',
    Procfile: 'web bin/web\nWorker: bin/w\napi:\n',
    'app.json': '{"env": {"A-B": "x"}}',
  })
  assert.match(text, /^cuddle.yaml:1:14: .*wrong way round/m)
  assert.match(text, /^Procfile:1:1: line has no process name/m)
  assert.match(text, /^Procfile:2:1: .*not a DNS label/m)
  assert.match(text, /^Procfile:3:5: process api has no command/m)
  assert.match(text, /^app.json:1:10: .*no name for a variable/m)
})

test('a spec for another app, two spec files, or nothing to run is refused', () => {
  assert.match(refused({ 'cuddle.yaml': 'app: other' }), /app is other in the file but shop was pushed to/)
  assert.match(refused({ 'cuddle.yaml': '', 'cuddle.yml': '' }), /there is a cuddle.yml too/)
  assert.match(refused({}, { detected: { processes: {}, kind: 'procfile' } }), /nothing to run/)
  assert.match(refused({ Procfile: 'release: x' }, { detected: { processes: {}, kind: 'procfile' } }), /nothing to run/)
})

test('Procfiles with Windows line ends, a byte order mark and colons in commands', () => {
  const read = readProcfile('\uFEFFweb: env A=b:c bin/x\r\nworker:bin/w\r\n')
  assert.ok(read.ok)
  assert.deepEqual(read.processes, { web: 'env A=b:c bin/x', worker: 'bin/w' })
  const twice = readProcfile('web: a\nweb: b')
  assert.equal(!twice.ok && twice.problems[0].line, 2)
})

test('an unknown dyno type is a warning', () => {
  const read = readAppJson('{"formation": {"web": {"size": "constructor"}}, "scripts": {"postdeploy": "x"}}')
  assert.ok(read.ok)
  assert.deepEqual(
    read.warnings.map(({ path }) => path),
    ['formation.web.size', 'scripts.postdeploy'],
  )
})

test('broken app.json is told with its place', () => {
  const read = readAppJson('{\n  "env": [1,\n}')
  assert.ok(!read.ok)
  assert.ok(read.problems[0].line >= 2)
})

test('app names are DNS labels, not reserved, not too long', () => {
  for (const name of ['shop', 'a', 'my-shop-2']) assert.equal(validAppName(name), undefined)
  for (const name of [
    '',
    'Shop',
    '-a',
    'a-',
    '1a',
    'a_b',
    'a.b',
    'ä',
    'x'.repeat(31),
    'default',
    'kube-system',
    'cuddle',
    'www',
    'a\nb',
    '../a',
  ]) {
    assert.ok(validAppName(name), name)
  }
})

test('config vars: any text is fine, what no process can be given is not', () => {
  assert.deepEqual(validConfig({ A: 'line\nline "quoted" \'x\' $y ü\t', EMPTY: '' }), [])
  const message = (config: Record<string, string>) => validConfig(config)[0]?.message ?? ''
  assert.match(message({ BIG: 'x'.repeat(1_000_000) }), /at most 128 KiB/)
  assert.match(message({ BIN: 'a\0b' }), /NUL/)
  assert.match(message({ BIN: '\ud800' }), /Unicode/)
  assert.match(message({ 'A-B': '' }), /no name/)
  assert.match(message({ PORT: '1' }), /platform/)
  assert.match(message(JSON.parse('{"__proto__": "x"}')), /cannot be changed/)
  const many = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`V${index}`, 'x'.repeat(120_000)]))
  assert.match(message(many), /at most 1 MiB/)
})

test('missing config: what is generated and what is asked for', () => {
  const { spec } = resolve({ 'cuddle.yaml': 'env: {A: x, K: {generate: true}, P: {prompt: true, description: ask}}' })
  assert.deepEqual(missingConfig(spec, {}), { generate: ['K'], prompt: [{ name: 'P', description: 'ask' }] })
  assert.deepEqual(missingConfig(spec, { K: '1', P: '2' }), { generate: [], prompt: [] })
})
