import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { until } from '#lib/testing'
import { startApiServer } from './index.ts'
import { configMap, configMaps, testApi, widget, widgetDefinition, widgets } from './testing.ts'

test('who comes without a certificate sees health and version, and is told what is forbidden', async (t) => {
  const { send } = await testApi(t)
  const as = { as: 'nobody' } as const
  for (const path of ['/healthz', '/livez', '/readyz'])
    assert.equal((await send('GET', path, undefined, as)).text, 'ok')
  assert.match((await send('GET', '/readyz?verbose', undefined, as)).text, /^\[\+\]ping ok\n/)
  assert.equal((await send('GET', '/version', undefined, as)).body.gitVersion, 'v1.36.0')
  const list = await send('GET', '/api/v1/pods', undefined, as)
  assert.equal(list.code, 403)
  assert.equal(
    list.body.message,
    'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
  )
  assert.equal((await send('GET', '/metrics', undefined, as)).code, 403)
  const forged = await send('GET', '/api/v1/pods', undefined, { ...as, headers: { authorization: 'Bearer nonsense' } })
  assert.deepEqual([forged.code, forged.body.message], [401, 'Unauthorized'])
})

test('tokens: the administrator by a static one, ServiceAccounts by a signed one that dies with them', async (t) => {
  const { send } = await testApi(t, { adminToken: 'open sesame'.replace(' ', '-') })
  const bearer = (token: string) => ({ as: 'nobody', headers: { authorization: `Bearer ${token}` } }) as const
  assert.equal((await send('GET', '/api/v1/pods', undefined, bearer('open-sesame'))).code, 200)
  const accounts = '/api/v1/namespaces/default/serviceaccounts'
  await send('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bot' } })
  const { body } = await send('POST', `${accounts}/bot/token`, { spec: { expirationSeconds: 600 } })
  const refused = await send('GET', '/api/v1/namespaces/default/pods', undefined, bearer(body.status.token))
  assert.equal(refused.code, 403)
  assert.match(refused.body.message, /User "system:serviceaccount:default:bot" cannot list resource "pods"/)
  const [header, , signature] = body.status.token.split('.')
  const claims = Buffer.from(JSON.stringify({ sub: 'evil' })).toString('base64url')
  assert.equal((await send('GET', '/api/v1/pods', undefined, bearer(`${header}.${claims}.${signature}`))).code, 401)
  await send('DELETE', `${accounts}/bot`)
  assert.equal((await send('GET', '/api/v1/pods', undefined, bearer(body.status.token))).code, 401)
})

test('HTTP/2 and HTTP/1.1 are served on one port', async (t) => {
  const { server, pki, send } = await testApi(t)
  const session = connect(server.url, { ca: pki.ca.cert, cert: pki.admin.cert, key: pki.admin.key })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/api/v1/namespaces/default' })
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  assert.equal(JSON.parse(text).metadata.name, 'default')
  assert.equal((await send('GET', '/api/v1/namespaces/default')).code, 200)
  const socket = connectTls({ port: server.port, ca: pki.ca.cert, ALPNProtocols: ['h2'] })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  assert.equal(socket.alpnProtocol, 'h2')
  socket.destroy()
})

test('the transport within the process gives the very same answers', async (t) => {
  const { server, send } = await testApi(t)
  const transport = server.transport()
  const text = async (method: string, path: string, body?: string) => {
    const answer = await transport.request({
      method,
      path,
      headers: { 'content-type': 'application/json' },
      ...(body && { body }),
    })
    let all = ''
    for await (const chunk of answer.body) all += Buffer.from(chunk).toString()
    return { status: answer.status, all }
  }
  const created = await text('POST', configMaps, JSON.stringify(configMap('local')))
  assert.equal(created.status, 201)
  assert.equal((await send('GET', `${configMaps}/local`)).text, created.all)
  const abort = new AbortController()
  const watch = await transport.request({
    method: 'GET',
    path: `${configMaps}?watch=1`,
    headers: {},
    signal: abort.signal,
  })
  const chunks: string[] = []
  for await (const chunk of watch.body) {
    chunks.push(Buffer.from(chunk).toString())
    abort.abort()
  }
  assert.equal(JSON.parse(chunks[0]).object.metadata.name, 'local')
})

test('a custom resource is served from the write that defines it until the one that removes it', async (t) => {
  const { send } = await testApi(t)
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  assert.equal((await send('GET', widgets)).code, 404)
  const { body } = await send('POST', definitions, widgetDefinition)
  assert.deepEqual(
    body.status.conditions.map((one: any) => [one.type, one.status]),
    [
      ['NamesAccepted', 'True'],
      ['Established', 'True'],
    ],
  )
  assert.equal((await send('POST', widgets, widget('a'))).code, 201)
  const classic = (await send('GET', '/apis/example.com/v1')).body.resources.map((one: any) => one.name)
  assert.deepEqual(classic, ['widgets', 'widgets/status', 'widgets/scale'])
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  const aggregated = await send('GET', '/apis', undefined, { headers: { accept } })
  const group = aggregated.body.items.find((one: any) => one.metadata.name === 'example.com')
  assert.equal(group.versions[0].resources[0].responseKind.kind, 'Widget')
  const cached = await send('GET', '/apis', undefined, {
    headers: { accept, 'if-none-match': aggregated.headers.etag },
  })
  assert.equal(cached.code, 304)
  assert.deepEqual((await send('GET', `${widgets}?fieldSelector=spec.color%3Dred`)).body.items.length, 1)
  const table = await send('GET', widgets, undefined, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
  })
  assert.deepEqual(
    table.body.columnDefinitions.map((one: any) => one.name),
    ['Name', 'Replicas'],
  )
  assert.deepEqual(table.body.rows[0].cells, ['a', 1])
  const partial = await send('GET', `${widgets}/a`, undefined, {
    headers: { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
  })
  assert.deepEqual([partial.body.kind, partial.body.spec], ['PartialObjectMetadata', undefined])
  await send('POST', widgets, widget('held', {}, { finalizers: ['example.com/f'] }))
  await send('DELETE', `${definitions}/widgets.example.com`)
  await until(async () => (await send('GET', `${widgets}/a`)).code === 404)
  assert.equal((await send('POST', widgets, widget('late'))).code, 405)
  await send('PATCH', `${widgets}/held`, { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' })
  await until(async () => (await send('GET', `${definitions}/widgets.example.com`)).code === 404)
  assert.equal((await send('GET', widgets)).code, 404)
})

test('answers come as JSON, indented JSON or YAML; anything else is 406', async (t) => {
  const { send } = await testApi(t)
  await send('POST', configMaps, configMap('a', { k: 'v' }))
  assert.match((await send('GET', `${configMaps}/a?pretty=true`)).text, /^\{\n {2}"apiVersion": "v1"/)
  assert.match(
    (await send('GET', `${configMaps}/a`, undefined, { headers: { accept: 'application/yaml' } })).text,
    /^apiVersion: v1\nkind: ConfigMap/,
  )
  assert.equal((await send('GET', `${configMaps}/a`, undefined, { headers: { accept: 'text/html' } })).code, 406)
  assert.equal((await send('POST', configMaps, 'x', { type: 'text/plain' })).code, 415)
  assert.equal((await send('HEAD', `${configMaps}/a`)).text, '')
})

test('Services get an address, keep it, and cannot take another one’s', async (t) => {
  const { send } = await testApi(t)
  const services = '/api/v1/namespaces/default/services'
  const service = (name: string, spec: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80 }], ...spec },
  })
  const { body } = await send('POST', services, service('a'))
  assert.match(body.spec.clusterIP, /^127\.(48|49|5[0-5])\.\d+\.\d+$/)
  const put = (await send('PUT', `${services}/a`, service('a', { ports: [{ port: 81 }] }))).body
  assert.equal(put.spec.clusterIP, body.spec.clusterIP)
  assert.equal((await send('POST', services, service('b', { clusterIP: body.spec.clusterIP }))).code, 422)
  assert.equal((await send('POST', services, service('c', { clusterIP: '10.0.0.1' }))).code, 422)
  assert.equal((await send('POST', services, service('h', { clusterIP: 'None' }))).body.spec.clusterIP, 'None')
  const node = (await send('POST', services, service('n', { type: 'NodePort' }))).body
  assert.ok(node.spec.ports[0].nodePort >= 30_000)
})

test('a namespace goes when its finalizers do, and takes nothing new meanwhile', async (t) => {
  const { send } = await testApi(t)
  await send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'term' } })
  const going = (await send('DELETE', '/api/v1/namespaces/term')).body
  assert.deepEqual([going.status.phase, going.spec.finalizers], ['Terminating', ['kubernetes']])
  const late = await send('POST', '/api/v1/namespaces/term/configmaps', configMap('g'))
  assert.equal(late.code, 403)
  assert.equal(late.body.details.causes[0].reason, 'NamespaceTerminating')
  assert.equal(
    (await send('PUT', '/api/v1/namespaces/term/finalize', { ...going, spec: { finalizers: [] } })).code,
    200,
  )
  assert.equal((await send('GET', '/api/v1/namespaces/term')).code, 404)
})

test('a port that is taken is refused with the way out', async (t) => {
  const { server, pki, store } = await testApi(t)
  await assert.rejects(startApiServer({ pki, store, port: server.port }), { code: 'port-taken' })
})

test('metrics count requests and objects', async (t) => {
  const { send } = await testApi(t)
  await send('POST', configMaps, configMap('a'))
  const { text } = await send('GET', '/metrics')
  assert.match(text, /apiserver_request_total\{verb="POST",code="201"\} 1/)
  assert.match(text, /apiserver_storage_objects\{resource="configmaps"\} 2/)
})

test('Events and autoscalers are the same objects in both of their versions', async (t) => {
  const { send } = await testApi(t)
  const old = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
  const spec = { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 70 }
  const autoscaler = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec }
  const created = await send('POST', old, autoscaler)
  assert.equal(created.body.spec.targetCPUUtilizationPercentage, 70)
  const { body } = await send('GET', `${old.replace('v1', 'v2')}/h`)
  assert.equal(body.apiVersion, 'autoscaling/v2')
  assert.equal(body.spec.metrics[0].resource.target.averageUtilization, 70)
  await send('POST', '/api/v1/namespaces/default/events', {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Started',
    message: 'it runs',
    type: 'Normal',
  })
  const event = (await send('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e')).body
  assert.deepEqual([event.note, event.regarding.name, event.message], ['it runs', 'p', undefined])
  const found = await send('GET', '/api/v1/events?fieldSelector=involvedObject.name%3Dp,involvedObject.kind%3DPod')
  assert.equal(found.body.items.length, 1)
})
