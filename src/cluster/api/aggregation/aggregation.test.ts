import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { type TestApi, testApi } from '../testing.ts'
import { extensionServer, registration } from './testing.ts'

const group = 'flunder.example.com'
const root = `/apis/${group}/v1`
const services = '/apis/apiregistration.k8s.io/v1/apiservices'

const condition = async (api: TestApi) =>
  (await api.send('GET', `${services}/v1.${group}`)).body.status?.conditions?.[0]
const available = (api: TestApi, reason: string) =>
  until(async () => (await condition(api))?.reason === reason, { what: reason })

test('a group that an APIService gives away is answered by its server, in the name of who asks', async (t) => {
  const api = await testApi(t)
  const extension = await extensionServer(t, 'flunder.default.svc', group)
  const { service, apiService } = registration(group, 'default', extension)
  assert.equal((await api.send('POST', services, apiService)).code, 201)
  await available(api, 'ServiceNotFound')
  const refused = await api.send('GET', `${root}/namespaces/default/flunders`)
  assert.deepEqual([refused.code, refused.text], [503, 'service unavailable\n'])
  assert.equal((await api.send('POST', '/api/v1/namespaces/default/services', service)).code, 201)
  await available(api, 'Passed')

  const got = await api.send('GET', `${root}/namespaces/default/flunders/a?x=1&y=%2F`, undefined, {
    headers: { 'x-remote-user': 'forged', 'x-remote-group': 'system:masters' },
  })
  assert.deepEqual([got.code, got.headers['x-flunder']], [200, 'yes'])
  assert.deepEqual(
    [got.body.user, got.body.url],
    ['kubernetes-admin', `${root}/namespaces/default/flunders/a?x=1&y=%2F`],
  )
  const posted = await api.send('POST', `${root}/namespaces/default/flunders`, { hello: 'there' })
  assert.deepEqual([posted.body.method, posted.body.body], ['POST', '{"hello":"there"}'])
  const { headers, certificate } = extension.seen.at(-1)!
  assert.equal(certificate, 'front-proxy-client')
  assert.equal(headers.authorization, undefined)
  const stranger = await api.send('GET', `${root}/namespaces/default/flunders/a`, undefined, { as: 'nobody' })
  assert.equal(stranger.code, 403)
  assert.match(stranger.body.message, /cannot get resource "flunders" in API group "flunder.example.com"/)
})

test('discovery merges what it serves, stale when it does not answer', async (t) => {
  const api = await testApi(t)
  const extension = await extensionServer(t, 'flunder.default.svc', group)
  const { service, apiService } = registration(group, 'default', extension)
  await api.send('POST', '/api/v1/namespaces/default/services', service)
  await api.send('POST', services, apiService)
  await available(api, 'Passed')
  const groups = (await api.send('GET', '/apis')).body.groups
  assert.equal(groups.at(-1).name, group)
  assert.deepEqual((await api.send('GET', `/apis/${group}`)).body.preferredVersion.version, 'v1')
  assert.equal((await api.send('GET', root)).body.resources[0].name, 'flunders')
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
  const merged = async () => {
    const { body } = await api.send('GET', '/apis', undefined, { headers: { accept } })
    return body.items.find((one: any) => one.metadata.name === group)?.versions[0]
  }
  const current = await merged()
  assert.equal(current.freshness, 'Current')
  assert.deepEqual(current.resources[0].subresources[0].subresource, 'ripe')
  extension.broken = 500
  // Any change of what it depends on is a reason to look.
  await api.send('PUT', '/api/v1/namespaces/default/services/flunder', {
    ...service,
    metadata: { ...service.metadata, labels: { a: 'b' } },
  })
  await available(api, 'FailedDiscoveryCheck')
  assert.match((await condition(api)).message, /bad status from https:.*: 500/)
  assert.equal((await merged()).freshness, 'Stale')
  assert.equal((await api.send('GET', `${root}/namespaces/default/flunders`)).code, 503)
  await api.send('DELETE', `${services}/v1.${group}`)
  await until(async () => (await merged()) === undefined)
  assert.equal((await api.send('GET', root)).code, 404)
})

test('a server whose certificate is not the one that was promised is not believed', async (t) => {
  const api = await testApi(t)
  const extension = await extensionServer(t, 'flunder.default.svc', group)
  const stranger = await extensionServer(t, 'flunder.default.svc', group)
  const { service, apiService } = registration(group, 'default', { ...extension, port: stranger.port })
  await api.send('POST', '/api/v1/namespaces/default/services', service)
  await api.send('POST', services, apiService)
  await available(api, 'FailedDiscoveryCheck')
  assert.deepEqual(stranger.seen, [])
})

test('extension servers find out whom to believe', async (t) => {
  const api = await testApi(t)
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
  const { data } = (await api.send('GET', path)).body
  assert.equal(data['requestheader-client-ca-file'], api.pki.frontProxy.ca.cert)
  assert.notEqual(data['requestheader-client-ca-file'], data['client-ca-file'])
})
