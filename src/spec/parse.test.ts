import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblem, parseSpec, specJsonSchema } from './index.ts'

const file = 'cuddle.yaml'

function spec(text: string) {
  const result = parseSpec(text, { file })
  assert.ok(result.ok, JSON.stringify(result))
  return result.spec
}

function problems(text: string): string[] {
  const result = parseSpec(text, { file })
  assert.equal(result.ok, false, 'must be refused')
  return result.ok ? [] : result.problems.map(formatProblem)
}

test('targets are read as per cent where they are shares, and as numbers where not', () => {
  const scale = (target: string) => {
    const read = parseSpec(`processes: {web: x}\nscale: {web: {min: 1, max: 3, target: ${target}}}`, {
      file: 'cuddle.yaml',
    })
    assert.ok(read.ok, JSON.stringify(read))
    return read.spec.processes.web.scale.target
  }
  assert.deepEqual(scale('{utilisation: 60%, cpu: 150, orders: 2.5, bytes: 1Mi}'), {
    utilisation: 60,
    cpu: 150,
    orders: 2.5,
    bytes: 1048576,
  })
  assert.deepEqual([scale('75'), scale('75%')], [75, 75])
})

test('the example of the design is read with every default filled in', () => {
  const read = spec(`
app: shop
processes:
  web: bin/shop start
  worker: bin/worker
release: bin/migrate
cron:
  nightly: { schedule: "0 3 * * *", command: bin/nightly }
domains: [shop.example.com]
health: /healthz
scale: { web: 2..10 }
`)
  assert.deepEqual(Object.keys(read.processes), ['web', 'worker'])
  assert.deepEqual(read.processes.web, {
    command: 'bin/shop start',
    scale: { min: 2, max: 10 },
    size: { cpu: '100m', memory: '256Mi' },
    port: 8080,
    health: { interval: 5, timeout: 3, failures: 3, start: 60, path: '/healthz' },
    storage: {},
    drain: 30,
    strategy: 'rolling',
  })
  assert.equal(read.processes.worker.port, undefined)
  assert.equal(read.processes.worker.health, undefined)
  assert.deepEqual(read.release, { command: 'bin/migrate', size: { cpu: '100m', memory: '256Mi' }, timeout: 600 })
  assert.equal(read.cron.nightly.timezone, 'Etc/UTC')
})

test('an empty file is a valid spec', () => {
  assert.deepEqual(spec('').processes, {})
  assert.deepEqual(spec('# nothing yet\n').domains, [])
})

test('long forms', () => {
  const read = spec(`
processes:
  web:
    command: [bin/shop, start]
    scale: { min: 1, max: 4, target: 70 }
    size: { memory: 1024Mi, cpu: 0.5 }
    health: { path: /up, interval: 2s, start: 3m }
    drain: 1m30s
  api: { command: bin/api, port: 9000, size: large }
size: medium
env:
  ZIP: 01234
  RATE: 1e3
  ON: true
  KEY: { generate: true }
  STRIPE: { prompt: true, description: from the dashboard }
addons: { db: { type: postgres, size: 10Gi }, redis: {} }
`)
  assert.deepEqual(read.processes.web.size, { cpu: '500m', memory: '1Gi' })
  assert.equal(read.processes.web.drain, 90)
  assert.equal(read.processes.web.health?.start, 180)
  assert.deepEqual(read.processes.web.scale, { min: 1, max: 4, target: 70 })
  assert.deepEqual(read.processes.api.size, { cpu: '1', memory: '1Gi' })
  assert.equal(read.processes.api.health?.path, undefined)
  assert.deepEqual(read.env.ZIP, { value: '01234' }, 'as written, not as a number')
  assert.deepEqual(read.env.RATE, { value: '1e3' })
  assert.deepEqual(read.env.ON, { value: 'true' })
  assert.deepEqual(read.addons, [
    { name: 'db', type: 'postgres', size: '10Gi' },
    { name: 'redis', type: 'redis' },
  ])
})

test('all problems are found at once, each with line and column', () => {
  const found = problems(`processes:
  web: { command: bin/x, scale: 10..2 }
cron:
  nightly: { schedule: "0 25 * * *", command: bin/nightly }
domains: [https://shop.example.com]
size: { memory: 512m }
stratgy: rolling
web: 1
web: 2
`)
  assert.deepEqual(
    found.map((line) => line.replace(/ \(known here.*/, '')),
    [
      'cuddle.yaml:2:33: processes.web.scale: scale 10..2 is the wrong way round (write 2..10)',
      'cuddle.yaml:4:24: cron.nightly.schedule: hour "25" is outside 0 to 23',
      'cuddle.yaml:5:11: domains[0]: domain "https://shop.example.com" holds a scheme (write only the host name)',
      'cuddle.yaml:6:17: size.memory: "512m" is less than 8Mi (m means thousandths: write 512Mi)',
      'cuddle.yaml:7:1: unknown key stratgy (did you mean strategy?)',
      'cuddle.yaml:8:1: unknown key web',
      'cuddle.yaml:9:1: key web appears twice',
    ],
  )
})

for (const [what, text, expected] of [
  ['unknown nested key', 'processes: {web: {comand: x, command: y}}', /1:19: unknown key .*did you mean command/],
  ['wrong type', 'domains: shop.example.com', /1:10: domains must be a list, not text/],
  ['number for text', 'processes: {web: 5}', /1:18: processes.web must be text, a list or a map, not the number 5/],
  ['empty value', 'release:', /1:1: release is empty/],
  ['duration without unit', 'drain: 30', /1:8: drain must be text.*write 30s/],
  ['duration', 'drain: soon', /no duration.*30s/],
  ['cpu', 'size: {cpu: many}', /no CPU amount/],
  ['named size', 'size: smal', /must be one of small, .*did you mean small/],
  ['storage', 'storage: {/data: lots}', /no amount of bytes/],
  ['storage path', 'storage: {../etc: 1Gi}', /no absolute path/],
  ['storage over the system', 'storage: {/usr: 1Gi}', /cannot be a volume/],
  ['scale below zero', 'scale: {web: -1}', /from 0 up/],
  ['scale from zero', 'scale: {web: 0..3}', /begins at 0.*write 1\.\.3/],
  ['scale too far', 'scale: {web: 1..100000}', /above 500/],
  ['target', 'scale: {web: {min: 1, max: 3, target: 120%}}', /from 1% to 100%/],
  ['target of a signal', 'scale: {web: {min: 1, max: 3, target: {utilisation: 0}}}', /from 1% to 100%/],
  ['target of a number', 'scale: {web: {min: 1, max: 3, target: {orders: none}}}', /no target for orders/],
  ['signal’s name', 'scale: {web: {min: 1, max: 3, target: {utilization: 60%}}}', /did you mean utilisation/],
  ['no signal', 'scale: {web: {min: 1, max: 3, target: {}}}', /one to 5 signals/],
  ['scale word', 'scale: {web: two}', /no scale.*2\.\.10/],
  [
    'unknown process',
    'processes: {worker: x}\nscale: {workr: 2}',
    /2:9: scale: no process "workr".*did you mean worker/,
  ],
  ['scale twice', 'processes: {web: {command: x, scale: 1}}\nscale: {web: 2}', /given twice/],
  ['process name', 'processes: {Web_1: x}', /1:13: .*not a DNS label.*web-1/],
  ['process name too long', `processes: {${'a'.repeat(21)}: x}`, /longer than 20/],
  ['reserved process', 'processes: {release: x}', /reserved.*top-level key release/],
  ['process without command', 'processes: {web: {size: large}}', /1:13: process web has no command/],
  [
    'cron named like a process',
    'processes: {a: x}\ncron: {a: {schedule: "@daily", command: x}}',
    /2:8: cron a has the name/,
  ],
  ['cron without command', 'cron: {a: {schedule: "@daily"}}', /cron.a.command is missing/],
  ['timezone', 'cron: {a: {schedule: "@daily", command: x, timezone: Mars/One}}', /timezone "Mars\/One" is unknown/],
  ['app name', 'app: My_App', /1:6: app: .*my-app/],
  ['reserved app name', 'app: kube-system', /reserved/],
  ['domain twice', 'domains: [a.example.com, A.example.com]', /1:26: domain "A.example.com" appears twice/],
  ['domain with port', 'domains: ["a.example.com:80"]', /holds a port/],
  ['domain in unicode', 'domains: [münchen.example]', /write xn--mnchen-3ya.example/],
  ['address as domain', 'domains: [10.0.0.1]', /is an address/],
  ['env name', 'env: {A-B: 1}', /no name for a variable/],
  ['env of the platform', 'env: {PORT: 80}', /set by the platform/],
  ['env that says nothing', 'env: {A: {}}', /exactly one of value, generate, prompt/],
  ['patch kind', 'patches: [{target: {kind: Deploymnt}, patch: {}}]', /did you mean Deployment/],
  ['patch that renames', 'patches: [{target: {kind: Service}, patch: {metadata: {name: x}}}]', /cannot rename/],
  ['build folder', 'build: {dir: ../other}', /inside the repository/],
  ['privileged port', 'processes: {web: {command: x, port: 80}}', /must be at least 1024/],
  [
    'storage with replicas',
    'processes: {web: x}\nstorage: {/data: 1Gi}\nscale: {web: 2}',
    /3:14: scale of web must be 1/,
  ],
  ['environment', 'environments: {review: {scal: {web: 1}}}', /did you mean scale/],
  ['tab', 'processes:\n\tweb: x', /2:1: tabs/],
  ['two documents', 'app: a\n---\napp: b', /multiple documents/],
  ['a tag', 'processes: {web: !!binary aGk=}', /1:27: tag .*binary is not read/],
  ['a key that is a list', '? [a]\n: b', /1:3: a key must be text/],
  ['an older YAML', '%YAML 1.1\n---\nbeam: {cluster: yes}', /YAML 1.1 is not read/],
  ['a name of every object', 'processes: {constructor: x}', /reserved/],
  ['an empty list', 'processes: {web: []}', /must not be empty/],
  ['not a map', '[1, 2]', /1:1: the file must be a map, not a list/],
] as const) {
  test(`refused: ${what}`, () => {
    const found = problems(text)
    assert.match(found.join('\n'), expected)
  })
}

for (const [what, text, expected] of [
  ['alias bomb', bomb(), /aliases/],
  ['nesting', '['.repeat(100_000), /nested deeper/],
  ['nested lists', '- '.repeat(30_000), /nested deeper/],
  ['a huge file', 'a'.repeat(1_000_000), /longer than 128 KiB/],
  ['thousands of keys', Array.from({ length: 9000 }, (_, index) => `k${index}: 1`).join('\n'), /unknown key k0/],
  ['a polluting key', '__proto__: {polluted: true}', /__proto__ is not allowed/],
  [
    'a polluting key inside',
    'patches: [{target: {kind: Job}, patch: {a: {__proto__: {polluted: true}}}}]',
    /__proto__/,
  ],
] as const) {
  test(`hostile input is refused and told in few lines: ${what}`, () => {
    const found = problems(text)
    assert.ok(found.length <= 110, `${found.length} problems`)
    assert.match(found.join('\n'), expected)
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })
}

test('what is accepted but does nothing yet is a warning', () => {
  const result = parseSpec('processes: {web: x}\nscale: {web: 2..4}\naddons: [postgres]', { file })
  assert.ok(result.ok)
  assert.deepEqual(
    result.warnings.map((warning) => [warning.path, warning.line]),
    [['addons', 3]],
  )
})

test('the JSON Schema describes every key and takes no others', () => {
  const schema = specJsonSchema()
  assert.equal(schema.additionalProperties, false)
  for (const [key, field] of Object.entries<any>(schema.properties)) {
    const description = field.description ?? field.additionalProperties?.description ?? field.properties
    assert.ok(description, `${key} has no description`)
  }
})

function bomb(): string {
  const names = 'abcdefgh'.split('')
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (let index = 1; index < names.length; index++) {
    lines.push(
      `${names[index]}: &${names[index]} [${Array(9)
        .fill(`*${names[index - 1]}`)
        .join(', ')}]`,
    )
  }
  return lines.join('\n')
}
