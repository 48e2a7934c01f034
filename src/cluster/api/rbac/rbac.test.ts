import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { configMap, configMaps, type TestApi, testApi } from '../testing.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const roleRef = (kind: string, name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name })
const role = (name: string, rules: object[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name },
  rules,
})
const binding = (name: string, ref: object, subjects: object[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name },
  roleRef: ref,
  subjects,
})
const user = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name })

/** Sends as somebody else. */
function acting({ send }: TestApi, name: string, ...groups: string[]) {
  const headers = { 'impersonate-user': name, ...(groups.length > 0 && { 'impersonate-group': groups.join(',') }) }
  return (method: string, path: string, body?: unknown, type?: string) =>
    send(method, path, body, { headers, ...(type && { type }) })
}

test('a role in a namespace gives its verbs there and nowhere else, for as long as it is bound', async (t) => {
  const api = await testApi(t)
  const roles = `${rbac}/namespaces/default/roles`
  const bindings = `${rbac}/namespaces/default/rolebindings`
  const ann = acting(api, 'ann')
  await api.send('POST', configMaps, configMap('a'))
  await api.send('POST', configMaps, configMap('b'))
  const before = await ann('GET', configMaps)
  assert.equal(before.code, 403)
  assert.equal(
    before.body.message,
    'configmaps is forbidden: User "ann" cannot list resource "configmaps" in API group "" in the namespace "default"',
  )
  assert.deepEqual(before.body.details, { kind: 'configmaps' })
  await api.send('POST', bindings, binding('ann', roleRef('Role', 'reader'), [user('ann')]))
  assert.match(
    (await ann('GET', configMaps)).body.message,
    /: RBAC: role.rbac.authorization.k8s.io "reader" not found$/,
  )
  const rules = [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['list'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['a'], verbs: ['get', 'watch', 'patch'] },
    { apiGroups: ['apps'], resources: ['*/scale'], verbs: ['*'] },
  ]
  await api.send('POST', roles, role('reader', rules))
  assert.equal((await ann('GET', configMaps)).code, 200)
  assert.equal((await ann('GET', `${configMaps}/a`)).code, 200)
  assert.equal((await ann('GET', `${configMaps}/b`)).code, 403)
  assert.equal((await ann('GET', '/api/v1/namespaces/kube-system/configmaps')).code, 403)
  assert.equal((await ann('GET', '/api/v1/configmaps')).code, 403)
  assert.equal((await ann('DELETE', `${configMaps}/a`)).code, 403)
  assert.equal((await ann('GET', `${configMaps}?watch=1&timeoutSeconds=1`)).code, 403)
  assert.equal((await ann('GET', `${configMaps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da`)).code, 200)
  const scale = '/apis/apps/v1/namespaces/default/deployments/none/scale'
  assert.equal((await ann('GET', scale)).code, 404)
  assert.equal((await ann('GET', scale.replace('/scale', ''))).code, 403)
  await api.send('DELETE', `${bindings}/ann`)
  assert.equal((await ann('GET', configMaps)).code, 403)
})

test('a ServiceAccount gets with its token what it is bound to', async (t) => {
  const api = await testApi(t)
  const accounts = '/api/v1/namespaces/default/serviceaccounts'
  await api.send('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bot' } })
  const { token } = (await api.send('POST', `${accounts}/bot/token`, { spec: {} })).body.status
  const as = { as: 'nobody', headers: { authorization: `Bearer ${token}` } } as const
  assert.equal((await api.send('POST', configMaps, configMap('mine'), as)).code, 403)
  const subject = { kind: 'ServiceAccount', name: 'bot', namespace: 'default' }
  await api.send(
    'POST',
    `${rbac}/namespaces/default/rolebindings`,
    binding('bot', roleRef('ClusterRole', 'edit'), [subject]),
  )
  assert.equal((await api.send('POST', configMaps, configMap('mine'), as)).code, 201)
  assert.equal((await api.send('GET', '/apis', undefined, as)).code, 200)
  assert.equal((await api.send('GET', '/metrics', undefined, as)).code, 403)
  const self = await api.send('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, as)
  assert.equal(self.body.status.userInfo.username, 'system:serviceaccount:default:bot')
  const reviewed = await api.send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } })
  assert.equal(reviewed.body.status.authenticated, true)
  const secret = await api.send('POST', `${rbac}/namespaces/default/roles`, role('more', []), as)
  assert.equal(secret.code, 403)
})

test('admin, edit and view are made of what is labelled for them', async (t) => {
  const api = await testApi(t)
  // Whoever is no administrator waits for the roles.
  await acting(api, 'ann')('GET', configMaps)
  const rulesOf = async (name: string) => (await api.send('GET', `${rbac}/clusterroles/${name}`)).body.rules ?? []
  await until(async () => JSON.stringify(await rulesOf('admin')).includes('rolebindings'))
  await until(async () => JSON.stringify(await rulesOf('admin')).includes('pods/log'))
  assert.ok(!JSON.stringify(await rulesOf('view')).includes('secrets'))
  await api.send('POST', `${rbac}/clusterroles`, {
    ...role('widgets-viewer', [{ apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] }]),
    kind: 'ClusterRole',
    metadata: { name: 'widgets-viewer', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
  })
  for (const name of ['view', 'edit', 'admin'])
    await until(async () => JSON.stringify(await rulesOf(name)).includes('example.com'))
  await api.send('DELETE', `${rbac}/clusterroles/widgets-viewer`)
  await until(async () => !JSON.stringify(await rulesOf('admin')).includes('example.com'))
})

test('reviews answer what would be allowed, and why', async (t) => {
  const api = await testApi(t)
  await api.send(
    'POST',
    `${rbac}/namespaces/default/rolebindings`,
    binding('ann', roleRef('ClusterRole', 'view'), [user('ann')]),
  )
  const ann = acting(api, 'ann')
  const group = '/apis/authorization.k8s.io/v1'
  const attributes = (verb: string, namespace = 'default') => ({ resource: 'pods', verb, namespace })
  const self = async (verb: string, namespace?: string) =>
    (
      await ann('POST', `${group}/selfsubjectaccessreviews`, {
        spec: { resourceAttributes: attributes(verb, namespace) },
      })
    ).body.status
  await until(async () => (await self('list')).allowed)
  assert.equal(
    (await self('list')).reason,
    'RBAC: allowed by RoleBinding "ann/default" of ClusterRole "view" to User "ann"',
  )
  assert.deepEqual(await self('delete'), { allowed: false })
  assert.deepEqual(await self('list', 'kube-system'), { allowed: false })
  const path = { spec: { nonResourceAttributes: { path: '/openapi/v3', verb: 'get' } } }
  assert.equal((await ann('POST', `${group}/selfsubjectaccessreviews`, path)).body.status.allowed, true)
  const other = { spec: { user: 'ann', resourceAttributes: attributes('watch') } }
  assert.equal((await api.send('POST', `${group}/subjectaccessreviews`, other)).body.status.allowed, true)
  const local = `${group}/namespaces/default/localsubjectaccessreviews`
  assert.equal((await api.send('POST', local, other)).body.status.allowed, true)
  assert.equal((await api.send('POST', local.replace('default', 'kube-system'), other)).code, 400)
  assert.equal((await ann('POST', `${group}/subjectaccessreviews`, other)).code, 403)
  assert.equal((await api.send('POST', `${group}/subjectaccessreviews`, { spec: { user: 'ann' } })).code, 422)
  const { status } = (await ann('POST', `${group}/selfsubjectrulesreviews`, { spec: { namespace: 'default' } })).body
  assert.ok(status.resourceRules.some((rule: any) => rule.resources.includes('pods/log')))
  assert.ok(status.nonResourceRules.some((rule: any) => rule.nonResourceURLs.includes('/apis/*')))
  const admin = (await api.send('POST', `${group}/selfsubjectrulesreviews`, { spec: { namespace: 'default' } })).body
  assert.ok(admin.status.resourceRules.some((rule: any) => rule.resources.includes('*') && rule.verbs.includes('*')))
})

test('who may not impersonate is not let, and groups come with the name', async (t) => {
  const api = await testApi(t)
  const whoami = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const as = async (headers: Record<string, string>) => api.send('POST', whoami, {}, { headers })
  const { userInfo } = (await as({ 'impersonate-user': 'ann', 'impersonate-extra-team%2fcolour': 'red' })).body.status
  assert.deepEqual(userInfo, { username: 'ann', groups: ['system:authenticated'], extra: { 'team/colour': ['red'] } })
  const account = await as({ 'impersonate-user': 'system:serviceaccount:default:bot' })
  assert.deepEqual(account.body.status.userInfo.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ])
  assert.equal((await as({ 'impersonate-group': 'x' })).code, 400)
  const refused = await api.send('GET', configMaps, undefined, { as: 'nobody', headers: { 'impersonate-user': 'ann' } })
  assert.equal(refused.code, 403)
  assert.equal(
    refused.body.message,
    'users "ann" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API group "" at the cluster scope',
  )
})

test('nobody grants what they do not have', async (t) => {
  const api = await testApi(t)
  const roles = `${rbac}/namespaces/default/roles`
  const bindings = `${rbac}/namespaces/default/rolebindings`
  const ann = acting(api, 'ann')
  await api.send('POST', bindings, binding('ann', roleRef('ClusterRole', 'admin'), [user('ann')]))
  const read = { apiGroups: [''], resources: ['pods'], verbs: ['get'] }
  await until(async () => (await ann('POST', roles, role('fine', [read]))).code !== 403)
  const nodes = { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list'] }
  const refused = await ann('POST', roles, role('greedy', [read, nodes]))
  assert.equal(refused.code, 403)
  assert.equal(
    refused.body.message,
    'roles.rbac.authorization.k8s.io "greedy" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}',
  )
  assert.equal((await ann('POST', bindings, binding('bob', roleRef('Role', 'fine'), [user('bob')]))).code, 201)
  const wide = binding('wide', roleRef('ClusterRole', 'cluster-admin'), [user('bob')])
  assert.equal((await ann('POST', bindings, wide)).code, 403)
  const grown = await ann('PATCH', `${roles}/fine`, { rules: [read, nodes] }, 'application/merge-patch+json')
  assert.equal(grown.code, 403)
})
