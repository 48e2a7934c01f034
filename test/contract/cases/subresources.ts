import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { contract } from '../case.ts'
import { configMap, deployment, pod, schemaOf, withoutController } from '../objects.ts'

const quiet = { record: false }

contract('status and spec do not mix', async (c) => {
  const things = await c.define('Thing', {
    ...schemaOf({
      spec: { type: 'object', properties: { size: { type: 'integer' } } },
      status: { type: 'object', properties: { phase: { type: 'string' } } },
    }),
    subresources: { status: {} },
  })
  await c.post(things, {
    apiVersion: `${c.group}/v1`,
    kind: 'Thing',
    metadata: { name: 'a' },
    spec: { size: 1 },
    status: { phase: 'Early' },
  })
  await c.patch('merge', `${things}/a/status`, {
    metadata: { labels: { no: 'no' } },
    spec: { size: 2 },
    status: { phase: 'Up' },
  })
  await c.patch('merge', `${things}/a`, { spec: { size: 3 }, status: { phase: 'Down' } })
  const { body } = await c.get(`${things}/a/status`)
  assert.deepEqual([body.spec.size, body.status.phase, body.metadata.generation], [3, 'Up', 2])
  await c.put(`${things}/a/status`, { ...body, status: { phase: 'Put' } })
  await c.post(`${things}/a/status`, body)
  await c.delete(`${things}/a/status`)
})

contract('status of built-in kinds', async (c) => {
  await c.post(c.path('pods'), pod('p'), quiet)
  const status = { status: { phase: 'Running', podIP: '10.9.8.7', conditions: [{ type: 'Ready', status: 'True' }] } }
  const { body } = await c.patch('strategic', `${c.path('pods')}/p/status`, status, { pick: ({ status }) => status })
  assert.deepEqual(body.status.podIPs, [{ ip: '10.9.8.7' }])
  await c.patch(
    'strategic',
    `${c.path('pods')}/p/status`,
    { status: { conditions: [{ type: 'Other', status: 'False' }] } },
    { pick: ({ status }) => status },
  )
  await c.get(`${c.path('pods')}/p/status`, { pick: ({ status }) => status })
  await c.post(
    c.path('services'),
    { metadata: { name: 's' }, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } },
    quiet,
  )
  await c.patch(
    'merge',
    `${c.path('services')}/s/status`,
    { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } },
    { pick: ({ status }) => status },
  )
})

contract('scale of a Deployment', async (c) => {
  const path = `${c.path('apps/v1/deployments')}/d`
  await c.post(c.path('apps/v1/deployments'), deployment('d'), quiet)
  const pick = (scale: any) => ({ ...scale, metadata: { ...scale.metadata, resourceVersion: undefined } })
  const first = await c.get(`${path}/scale`, { pick })
  assert.equal(first.body.status.selector, 'app=d')
  const patched = await c.patch('merge', `${path}/scale`, { spec: { replicas: 0 } }, { pick })
  assert.equal(patched.body.spec.replicas ?? 0, 0)
  await c.put(
    `${path}/scale`,
    { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'd', namespace: c.ns }, spec: { replicas: 1 } },
    { pick },
  )
  await c.patch('merge', `${path}/scale`, { spec: { replicas: -1 } })
  await c.put(`${path}/scale`, {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'x' },
    spec: { replicas: 1 },
  })
  await c.put(`${path}/scale`, deployment('d'))
  const after = await c.get(path, { pick: ({ spec, metadata }) => [spec.replicas, metadata.generation] })
  assert.equal(after.body.spec.replicas, 1)
  await c.patch('merge', `${path}/scale`, { metadata: { resourceVersion: '1' }, spec: { replicas: 3 } })
})

contract('scale of a definition', async (c) => {
  const things = await c.define('Thing', {
    ...schemaOf({
      spec: { type: 'object', properties: { size: { type: 'integer' } } },
      status: { type: 'object', properties: { size: { type: 'integer' }, selector: { type: 'string' } } },
    }),
    subresources: {
      status: {},
      scale: {
        specReplicasPath: '.spec.size',
        statusReplicasPath: '.status.size',
        labelSelectorPath: '.status.selector',
      },
    },
  })
  await c.post(things, { apiVersion: `${c.group}/v1`, kind: 'Thing', metadata: { name: 'a' } }, quiet)
  await c.get(`${things}/a/scale`)
  await c.patch('merge', `${things}/a/scale`, { spec: { replicas: 4 } })
  await c.patch('merge', `${things}/a/status`, { status: { size: 2, selector: 'a=b' } }, quiet)
  const { body } = await c.get(`${things}/a/scale`)
  assert.deepEqual([body.spec.replicas, body.status], [4, { replicas: 2, selector: 'a=b' }])
  await c.get(`${things}/a`)
})

contract('binding a pod', async (c) => {
  await c.post(c.path('pods'), pod('p'), quiet)
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'p', annotations: { a: 'b' } },
    target: { apiVersion: 'v1', kind: 'Node', name: c.ns },
  }
  const bound = await c.post(`${c.path('pods')}/p/binding`, binding)
  assert.equal(bound.code, 201)
  const { body } = await c.get(`${c.path('pods')}/p`, {
    pick: ({ metadata, spec, status }) => [
      metadata.annotations,
      spec.nodeName,
      status.conditions?.map(({ type, status }: any) => [type, status]),
    ],
  })
  assert.equal(body.spec.nodeName, c.ns)
  await c.post(`${c.path('pods')}/p/binding`, { ...binding, target: { kind: 'Node', name: 'elsewhere' } })
  await c.post(`${c.path('pods')}/none/binding`, binding)
  await c.post(`${c.path('pods')}/p/binding`, { ...binding, target: { kind: 'Pod', name: 'x' } })
})

contract('eviction', async (c) => {
  await c.post(c.path('pods'), pod('p', { nodeName: c.ns }, { labels: { app: 'x' } }), quiet)
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } }
  const dry = await c.post(`${c.path('pods')}/p/eviction`, { ...eviction, deleteOptions: { dryRun: ['All'] } })
  assert.equal(dry.code, 201)
  const evicted = await c.post(`${c.path('pods')}/p/eviction`, eviction)
  assert.equal(evicted.code, 201)
  const { body } = await c.get(`${c.path('pods')}/p`, {
    pick: ({ metadata, status }) => [
      metadata.deletionGracePeriodSeconds,
      status.conditions?.map(({ type, status, reason, message }: any) => ({ type, status, reason, message })),
    ],
  })
  assert.ok(body.metadata.deletionTimestamp)
  await c.post(`${c.path('pods')}/none/eviction`, { ...eviction, metadata: { name: 'none' } })
  await c.post(`${c.path('pods')}/p/eviction`, { ...eviction, metadata: { name: 'other' } })
})

contract(
  'eviction is held back by a PodDisruptionBudget',
  async (c) => {
    await c.post(c.path('pods'), pod('p', { nodeName: c.ns }, { labels: { app: 'x' } }), quiet)
    await c.patch(
      'strategic',
      `${c.path('pods')}/p/status`,
      { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
      quiet,
    )
    await c.post(
      c.path('policy/v1/poddisruptionbudgets'),
      { metadata: { name: 'b' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'x' } } } },
      quiet,
    )
    await c.until(`${c.path('policy/v1/poddisruptionbudgets')}/b`, ({ body }) => body.status?.currentHealthy === 1, {
      pick: ({ status: { conditions, observedGeneration, disruptedPods, ...rest } }) => rest,
    })
    const held = await c.post(`${c.path('pods')}/p/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'p' },
    })
    assert.equal(held.code, 429)
  },
  { controllers: true },
)

contract('tokens of ServiceAccounts', async (c) => {
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'a' } }, quiet)
  const request = (spec: object) =>
    c.post(
      `${c.path('serviceaccounts')}/a/token`,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
      {
        pick: (body) =>
          body.kind === 'Status' ? body : { kind: body.kind, spec: body.spec, name: body.metadata.name },
      },
    )
  const { body } = await request({ audiences: ['api'], expirationSeconds: 3600 })
  const claims = JSON.parse(Buffer.from(body.status.token.split('.')[1], 'base64url').toString())
  assert.deepEqual(
    [claims.aud, claims.sub, claims.exp - claims.iat],
    [['api'], `system:serviceaccount:${c.ns}:a`, 3600],
  )
  await request({ expirationSeconds: 5 })
  const own = await request({})
  const who = await c.post(
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    {
      headers: { authorization: `Bearer ${own.body.status.token}` },
      anonymous: true,
      pick: ({ status }) => [status.userInfo.username, status.userInfo.groups],
    },
  )
  assert.equal(who.body.status.userInfo.username, `system:serviceaccount:${c.ns}:a`)
  await c.post(`${c.path('serviceaccounts')}/none/token`, {})
})

contract('reviews of who one is and what one may', async (c) => {
  const review = (path: string, kind: string, spec?: object) =>
    c.post(`/apis/${path}`, { apiVersion: path.slice(0, path.lastIndexOf('/')), kind, ...(spec && { spec }) })
  await review('authentication.k8s.io/v1/selfsubjectreviews', 'SelfSubjectReview')
  const may = await c.post(
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace: c.ns, verb: 'get', resource: 'pods' } },
    },
    { pick: ({ status: { reason: _, ...status }, ...rest }) => ({ ...rest, status }) },
  )
  assert.equal(may.body.status.allowed, true)
  const not = await c.post(
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: 'nobody', resourceAttributes: { namespace: c.ns, verb: 'get', resource: 'pods' } },
    },
    { pick: ({ status: { allowed }, kind }) => ({ kind, allowed }) },
  )
  assert.equal(not.body.status.allowed, false)
})

contract('subresources that are not there', async (c) => {
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.post(c.path('pods'), pod('p'), quiet)
  await c.get(`${c.path('configmaps')}/a/status`)
  await c.get(`${c.path('pods')}/p/scale`)
  await c.get(`${c.path('pods')}/p/nonsense`)
  await c.get(`${c.path('pods')}/p/log`)
  await c.get(`${c.path('pods')}/p/log?container=x`)
  await c.get(`${c.path('pods')}/p/binding`)
  await c.get(`${c.path('pods')}/p/eviction`)
})

contract('ephemeral containers', async (c) => {
  await c.post(c.path('pods'), pod('p'), quiet)
  const debug = { spec: { ephemeralContainers: [{ name: 'd', image: 'example.com/d:1', targetContainerName: 'c' }] } }
  await c.patch('strategic', `${c.path('pods')}/p`, debug, {
    pick: ({ kind, code, spec }) => [kind, code, spec?.ephemeralContainers],
  })
  await c.patch('strategic', `${c.path('pods')}/p/ephemeralcontainers`, debug, {
    pick: ({ kind, code, spec }) => [kind, code, spec?.ephemeralContainers],
  })
})

contract('the finalize subresource of a namespace', async (c) => {
  const { body } = await c.get(`/api/v1/namespaces/${c.ns}`)
  const kept = await c.put(`/api/v1/namespaces/${c.ns}/finalize`, {
    ...body,
    spec: { finalizers: ['kubernetes', 'example.com/f'] },
  })
  assert.equal(kept.code, 200)
  await c.put(`/api/v1/namespaces/${c.ns}/finalize`, { ...kept.body, spec: { finalizers: ['kubernetes'] } })
})

contract('a Deployment as it is created', async (c) => {
  await c.post(c.path('apps/v1/deployments'), deployment('d'), { pick: withoutController })
})

contract('requests are passed on to pods and Services', async (c) => {
  // Neither server asks what belongs to its own machine alone.
  const ip = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address
  const backend = createServer(({ method, url }, response) => {
    const headers = url === '/old' ? { location: '/new' } : { 'content-type': 'application/json' }
    response.writeHead(url === '/old' ? 302 : 200, headers).end(JSON.stringify({ method, url }))
  })
  await new Promise<void>((resolve) => backend.listen(0, ip ?? '127.0.0.1', resolve))
  try {
    const { port } = backend.address() as AddressInfo
    await c.post(c.path('pods'), pod('p'), quiet)
    await c.get(`${c.path('pods')}/p/proxy/`)
    await c.get(`${c.path('pods')}/none:80/proxy/`)
    await c.get(`${c.path('pods')}/ftp:p:80/proxy/`)
    await c.get(`${c.path('services')}/none:http/proxy/`)
    await c.get(`${c.path('services')}/none:80/proxy/`)
    const spec = { ports: [{ name: 'http', port: 80, targetPort: port }] }
    await c.post(c.path('services'), { metadata: { name: 's' }, spec }, quiet)
    await c.get(`${c.path('services')}/s:81/proxy/`)
    const endpoints = (subsets: object[]) =>
      c.put(`${c.path('endpoints')}/s`, { metadata: { name: 's' }, subsets }, quiet)
    await endpoints([])
    await c.get(`${c.path('services')}/s:80/proxy/`)
    if (!ip) return
    const status = { podIP: ip, podIPs: [{ ip }] }
    await c.patch('strategic', `${c.path('pods')}/p/status`, { status }, quiet)
    const targetRef = { kind: 'Pod', name: 'p', namespace: c.ns }
    await endpoints([{ addresses: [{ ip, targetRef }], ports: [{ name: 'http', port }] }])
    for (const [way, path] of [
      [`pods/p:${port}`, 'pods'],
      ['services/s:http', 'services'],
      ['services/http:s:80', 'services'],
    ] as const) {
      const root = `${c.path(path)}/${way.split('/')[1]}/proxy`
      const pick = ({ method, url }: any) => ({ method, url })
      // Each server has a port of its own, so what names it is not compared.
      const answer = await c.get(`${root}/a%2Fb%20(c)?x=1`, { record: !way.startsWith('pods') })
      assert.deepEqual(answer.body, { method: 'GET', url: '/a/b%20%28c%29?x=1' })
      await c.post(`${root}/form/`, { hello: 'there' }, { pick, record: !way.startsWith('pods') })
    }
    await c.get(`${c.path('services')}/s:http/proxy`)
    await c.get(`${c.path('services')}/s:http/proxy/old`)
  } finally {
    backend.close()
  }
})
