import assert from 'node:assert/strict'
import { get as httpsGet } from 'node:https'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { until } from '#lib/testing'
import { configMap, configMaps, type TestApi, testApi, widgetDefinition, widgets } from './testing.ts'

const seed = Number(process.env['CUDDLE_FUZZ_SEED'] ?? 20_260_101)
const rounds = Number(process.env['CUDDLE_FUZZ_ROUNDS'] ?? 600)

/** mulberry32: the same numbers for the same seed. */
function generator(start: number) {
  let state = start
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    below: (n: number) => Math.floor(next() * n),
    of: <T>(list: readonly T[]) => list[Math.floor(next() * list.length)],
  }
}
type Random = ReturnType<typeof generator>

const names = [
  '',
  'a',
  '__proto__',
  'constructor',
  'toString',
  'metadata',
  'spec',
  'name',
  'kind',
  'items',
  '$patch',
  '🂡',
  '\u0000',
  '../../x',
]

function anything(random: Random, depth = 0): unknown {
  const pick = random.below(depth > 3 ? 8 : 11)
  if (pick === 0) return null
  if (pick === 1) return random.next() < 0.5
  if (pick === 2) return random.of([0, -1, 1.5, 2 ** 31, 2 ** 53, 1e308, -0, 1e-9])
  if (pick < 6)
    return random.of([...names, 'x'.repeat(300), '1Gi', '-5', '9'.repeat(40), '2026-01-01T00:00:00Z', '%s%n', '\ud800'])
  if (pick < 8) return []
  if (pick === 8) return Array.from({ length: random.below(4) }, () => anything(random, depth + 1))
  const entries = Array.from(
    { length: random.below(5) },
    () => [random.of(names), anything(random, depth + 1)] as const,
  )
  return entries.reduce<object>(
    (object, [key, value]) =>
      Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true }),
    {},
  )
}

/** An object with some of its values replaced, removed or added to. */
function mutated(random: Random, value: any): any {
  if (random.next() < 0.04) return anything(random)
  if (Array.isArray(value)) return value.map((item) => mutated(random, item))
  if (typeof value !== 'object' || value === null) return value
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) if (random.next() > 0.02) out[key] = mutated(random, value[key])
  if (random.next() < 0.05) out[random.of(names.filter((name) => name !== '__proto__'))] = anything(random)
  return out
}

const container = {
  name: 'c',
  image: 'i:1',
  env: [{ name: 'PORT', value: '8080' }],
  ports: [{ name: 'http', containerPort: 8080 }],
  resources: { requests: { cpu: '1' } },
  livenessProbe: { httpGet: { port: 'http' } },
}
const template = {
  metadata: { labels: { a: 'b' } },
  spec: { containers: [container], volumes: [{ name: 'v', configMap: { name: 'x' } }] },
}
const selector = { matchLabels: { a: 'b' } }
const objects: [path: string, object: any][] = [
  ['/api/v1/namespaces/default/pods', { apiVersion: 'v1', kind: 'Pod', ...template, metadata: { name: 'p' } }],
  [
    '/apis/apps/v1/namespaces/default/deployments',
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec: { selector, template } },
  ],
  [
    '/apis/apps/v1/namespaces/default/statefulsets',
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 's' },
      spec: { serviceName: 's', selector, template },
    },
  ],
  [
    '/apis/batch/v1/namespaces/default/jobs',
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'j' },
      spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
    },
  ],
  [
    '/apis/batch/v1/namespaces/default/cronjobs',
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'c' },
      spec: {
        schedule: '* * * * *',
        jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
      },
    },
  ],
  [
    '/api/v1/namespaces/default/services',
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'v' },
      spec: { ports: [{ port: 80, targetPort: 'http' }], selector: { a: 'b' } },
    },
  ],
  [
    '/api/v1/namespaces/default/secrets',
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'k' }, data: { a: 'YQ==' }, stringData: { b: 'c' } },
  ],
  [
    '/api/v1/namespaces/default/resourcequotas',
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q' },
      spec: { hard: { pods: '900', 'count/configmaps': '900' } },
    },
  ],
  [
    '/api/v1/namespaces/default/limitranges',
    {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'l' },
      spec: { limits: [{ type: 'Container', default: { cpu: '1' } }] },
    },
  ],
  [
    '/api/v1/namespaces/default/events',
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      reason: 'r',
      message: 'm',
    },
  ],
  ['/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status: { capacity: { cpu: '1' } } }],
  [
    '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'i' },
      spec: {
        rules: [
          {
            host: 'a.b',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'v', port: { number: 80 } } } }],
            },
          },
        ],
      },
    },
  ],
  [
    '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector },
    },
  ],
  [
    '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'h' },
      spec: {
        maxReplicas: 3,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    },
  ],
  [
    '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'r' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'x' },
      subjects: [{ kind: 'ServiceAccount', name: 'x' }],
    },
  ],
  [
    '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'o' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      aggregationRule: { clusterRoleSelectors: [selector] },
    },
  ],
  [
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    { ...widgetDefinition, metadata: { name: 'widgets.example.com' } },
  ],
  [widgets, { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' }, spec: { color: 'red' } }],
  [
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    { spec: { user: 'a', resourceAttributes: { verb: 'get', resource: 'pods' } } },
  ],
  ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'a.b.c' } }],
]
const patches = [
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
]

/** What kube-apiserver itself answers with 500. */
const known = new RegExp(
  [
    '^failed to create typed patch object',
    '^resourceVersion should not be set on objects to be created',
    'does not contain declared merge key',
    '^unknown patch type: ',
    'strconv.ParseUint: parsing',
    '^target\\.(kind|name): ',
    '^Internal error occurred: the spec replicas field',
  ].join('|'),
)

/** No answer may be a 500 but where kube-apiserver has it too: whatever a client sends is the client's fault, and it is told so in a Status. */
function check({ code, body, text }: { code: number; body: any; text: string }, what: string): void {
  assert.ok(code < 500 || known.test(body?.message ?? ''), `${what}: ${code} ${text}`)
  if (code >= 400 && text !== '404 page not found\n') assert.equal(body?.kind, 'Status', `${what}: ${text}`)
}

async function alive({ send }: TestApi): Promise<void> {
  assert.equal((await send('GET', '/readyz')).text, 'ok')
  assert.equal((await send('GET', '/api/v1/namespaces/default')).code, 200)
}

test('objects with anything in them are stored or refused, and never break the server', async (t) => {
  const api = await testApi(t)
  const random = generator(seed)
  for (let round = 0; round < rounds; round++) {
    const [path, object] = random.of(objects)
    const body = JSON.stringify(mutated(random, object)) ?? 'null'
    const name = object.metadata?.name
    const what = (verb: string) => `seed ${seed}, round ${round}: ${verb} ${path} ${body}`
    if (!name || random.next() < 0.4) check(await api.send('POST', path, body), what('POST'))
    else if (random.next() < 0.3) check(await api.send('PUT', `${path}/${name}`, body), what('PUT'))
    else if (random.next() < 0.2) check(await api.send('DELETE', `${path}/${name}`, body), what('DELETE'))
    else {
      await api.send('POST', path, object)
      const type = random.of(patches)
      const query = type.includes('apply')
        ? `?fieldManager=${random.of(['m', 'n'])}&force=${random.of(['true', 'false'])}`
        : ''
      const sub = random.of(['', '', '/status', '/scale'])
      const patch =
        type.includes('json-patch') && random.next() < 0.8
          ? JSON.stringify([
              {
                op: random.of(['add', 'remove', 'replace', 'move', 'copy', 'test']),
                path: random.of(['/spec', '/metadata/labels', '/spec/containers/0', '/__proto__/x', '', '/-']),
                from: '/spec',
                value: anything(random),
              },
            ])
          : body
      check(
        await api.send('PATCH', `${path}/${name}${sub}${query}`, patch, { type }),
        `${what(`PATCH ${type} ${sub}`)} ${patch}`,
      )
    }
    if (round % 20 === 0)
      check(
        await api.send('GET', path, undefined, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } }),
        what('GET as Table'),
      )
  }
  assert.equal(({} as any).x, undefined)
  await alive(api)
})

test('requests that make no sense get a Status', async (t) => {
  const api = await testApi(t)
  const random = generator(seed)
  const parts = [
    'api',
    'apis',
    'v1',
    'namespaces',
    'default',
    'pods',
    'apps',
    'x',
    '..',
    '%2e%2e',
    '%00',
    '%ff',
    'a%2fb',
    '__proto__',
    'status',
    'log',
    'watch',
    '',
    'é',
  ]
  const queries = [
    '',
    '?watch=1&timeoutSeconds=1',
    '?limit=-1',
    '?limit=x',
    '?continue=abc',
    '?resourceVersion=x',
    '?labelSelector=((',
    '?fieldSelector=a',
    '?dryRun=Some',
    '?fieldValidation=No',
    '?fieldManager=%00',
    '?timeoutSeconds=x',
    '?__proto__=1',
    '?%ff',
  ]
  for (let round = 0; round < 300; round++) {
    const path = `/${Array.from({ length: random.below(7) }, () => random.of(parts)).join('/')}${random.of(queries)}`
    const method = random.of(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE'])
    const type = random.of([
      'application/json',
      'text/plain',
      'application/vnd.kubernetes.protobuf',
      'application/yaml',
      '',
      ';;',
      'application/json; charset=latin1',
      ...patches,
    ])
    const bodies = ['', '{', 'null', '[]', '"x"', '{}', 'a: &a [*a]', 'k8s\0', Buffer.of(0xff, 0xfe), '\u0000']
    const answer = await api.send(
      method,
      encodeURI(path).replaceAll('%25', '%'),
      method === 'GET' || method === 'HEAD' ? undefined : random.of(bodies),
      { type },
    )
    assert.ok(answer.code < 500, `${method} ${path} ${type}: ${answer.code} ${answer.text}`)
  }
  await alive(api)
})

test('bodies that are too large, too deep or no text are refused', async (t) => {
  const api = await testApi(t)
  const limit = 3 * 1024 * 1024
  const large = JSON.stringify(configMap('large', { a: '' }))
  const padded = (size: number) => large.replace('"a":""', `"a":"${'x'.repeat(size - large.length)}"`)
  const over = await api.send('POST', configMaps, padded(limit + 1))
  assert.deepEqual([over.code, over.body.reason], [413, 'RequestEntityTooLarge'])
  check(await api.send('POST', configMaps, padded(limit)), 'a body of the largest size')
  for (const deep of [
    '['.repeat(100_000),
    '{"a":'.repeat(100_000),
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":${'['.repeat(400)}${']'.repeat(400)}}`,
  ]) {
    assert.equal((await api.send('POST', configMaps, deep)).code, 400)
    check(await api.send('POST', configMaps, deep, { type: 'application/yaml' }), 'deep YAML')
  }
  assert.equal(
    (await api.send('POST', configMaps, Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]))).code,
    400,
  )
  assert.equal((await api.send('POST', configMaps, '{}', { type: 'text/html' })).code, 415)
  const proto =
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto","__proto__":{"x":1}},"data":{"__proto__":"y"},"__proto__":{"x":1}}'
  check(await api.send('POST', configMaps, proto), '__proto__')
  assert.equal(({} as any).x, undefined)
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[index]}`).join()}]`)
    .join('\n')}`
  check(await api.send('POST', configMaps, bomb, { type: 'application/yaml' }), 'YAML that unfolds without end')
  await alive(api)
})

test('half requests and clients that leave harm nobody', async (t) => {
  const api = await testApi(t)
  const { pki, server } = api
  const random = generator(seed)
  const whole = `POST ${configMaps} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"half"}}`
  for (let round = 0; round < 40; round++) {
    const socket = connect({
      port: server.port,
      ca: pki.ca.cert,
      cert: pki.admin.cert,
      key: pki.admin.key,
      servername: 'localhost',
      checkServerIdentity: () => undefined,
    })
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const sent =
      round % 3 === 0
        ? Buffer.from(Array.from({ length: 200 }, () => random.below(256)))
        : Buffer.from(whole).subarray(0, random.below(whole.length))
    await new Promise((resolve) => socket.write(sent, resolve))
    if (round % 2 === 0) socket.destroy()
    else socket.end()
    if (round % 10 === 0) await alive(api)
  }
  assert.equal((await api.send('GET', `${configMaps}/half`)).code, 404)
})

test('a watcher that does not read is cut off, and the others miss nothing', async (t) => {
  const api = await testApi(t)
  const { pki, server } = api
  const stuck = await new Promise<import('node:http').IncomingMessage>((resolve) => {
    httpsGet(
      {
        port: server.port,
        path: `${configMaps}?watch=1`,
        ca: pki.ca.cert,
        cert: pki.admin.cert,
        key: pki.admin.key,
        agent: false,
      },
      resolve,
    )
  })
  stuck.pause()
  stuck.on('error', () => {})
  const reader = await api.watch(`${configMaps}?watch=1`)
  const filler = 'x'.repeat(900_000)
  for (let index = 0; index < 40; index++) {
    assert.equal((await api.send('POST', configMaps, configMap(`m${index}`, { filler }))).code, 201)
  }
  await until(() => reader.events.length === 40)
  reader.close()
  // What was on its way comes still, and then nothing: the client must list again.
  let received = 0
  const ended = new Promise<void>((resolve) => stuck.once('close', () => resolve()))
  stuck.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  stuck.resume()
  await ended
  assert.ok(received < 40 * filler.length)
  await alive(api)
})
