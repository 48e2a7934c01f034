import assert from 'node:assert/strict'
import { contract } from '../case.ts'
import type { Client } from '../client.ts'
import { configMap, pod } from '../objects.ts'

const quiet = { record: false }
const rbac = 'rbac.authorization.k8s.io/v1'

/** What a token may be compared by. */
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())

async function tokenFor(c: Client, account: string, spec: object = {}): Promise<string> {
  const { body } = await c.post(
    `${c.path('serviceaccounts')}/${account}/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
    quiet,
  )
  return body.status.token
}

const review = (c: Client, token: string, audiences?: string[]) =>
  c.post(
    '/apis/authentication.k8s.io/v1/tokenreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, ...(audiences && { audiences }) } },
    { pick: ({ status, kind, metadata }) => ({ kind, metadata, status: withoutIssuer(status) }) },
  )

/** The issuer is each server's own. */
const withoutIssuer = (status: any) =>
  JSON.parse(
    JSON.stringify(status)
      .replace(/https:\/\/[\w.:-]+/g, '<issuer>')
      .replace(/JTI=[0-9a-f-]+/g, 'JTI=<jti>'),
  )

const whoami = (c: Client, token: string) =>
  c.post(
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    { anonymous: true, headers: { authorization: `Bearer ${token}` }, pick: withoutIssuer },
  )

contract('tokens for the API and for others', async (c) => {
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'robot' } }, quiet)
  const own = await tokenFor(c, 'robot')
  const foreign = await tokenFor(c, 'robot', { audiences: ['vault'] })
  assert.equal((await whoami(c, own)).code, 201)
  assert.equal((await whoami(c, foreign)).code, 401)
  assert.equal((await whoami(c, `${own.slice(0, -8)}AAAAAAAA`)).code, 401)
  assert.equal((await whoami(c, 'nonsense')).code, 401)
  assert.equal((await review(c, own)).body.status.authenticated, true)
  await review(c, foreign)
  assert.deepEqual((await review(c, foreign, ['vault', 'other'])).body.status.audiences, ['vault'])
  await review(c, own, ['vault'])
  await review(c, 'nonsense')
  await c.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: {} })
})

contract('tokens that are bound to pods and Secrets', async (c) => {
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'robot' } }, quiet)
  const { body: made } = await c.post(c.path('pods'), pod('p', { serviceAccountName: 'robot' }), quiet)
  await c.post(c.path('pods'), pod('other'), quiet)
  await c.post(c.path('secrets'), { metadata: { name: 's' } }, quiet)
  const bound = (boundObjectRef: object) =>
    c.post(
      `${c.path('serviceaccounts')}/robot/token`,
      { spec: { boundObjectRef } },
      { pick: (body) => (body.kind === 'Status' ? body : [body.kind, body.spec.boundObjectRef]) },
    )
  const toPod = await bound({ kind: 'Pod', apiVersion: 'v1', name: 'p', uid: made.metadata.uid })
  assert.deepEqual(claimsOf(toPod.body.status.token)['kubernetes.io'].pod, { name: 'p', uid: made.metadata.uid })
  const toSecret = await bound({ kind: 'Secret', apiVersion: 'v1', name: 's' })
  assert.equal((await whoami(c, toPod.body.status.token)).code, 201)
  assert.equal((await whoami(c, toSecret.body.status.token)).code, 201)
  await bound({ kind: 'Pod', apiVersion: 'v1', name: 'none' })
  await bound({ kind: 'Pod', apiVersion: 'v1', name: 'other' })
  await bound({ kind: 'Pod', apiVersion: 'v1', name: 'p', uid: '11111111-1111-4111-8111-111111111111' })
  await bound({ kind: 'ConfigMap', apiVersion: 'v1', name: 'c' })
  await c.delete(`${c.path('pods')}/p?gracePeriodSeconds=0`, undefined, quiet)
  await c.delete(`${c.path('secrets')}/s`, undefined, quiet)
  await c.until(`${c.path('pods')}`, ({ body }) => body.items.length === 1, quiet)
  const refused = async (token: string) => {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { code } = await c.send('GET', '/api', undefined, {
        ...quiet,
        anonymous: true,
        headers: { authorization: `Bearer ${token}` },
      })
      if (code === 401) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.fail('a token outlives what it is bound to')
  }
  await refused(toPod.body.status.token)
  await refused(toSecret.body.status.token)
})

contract('what a token request may ask for', async (c) => {
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'robot' } }, quiet)
  const ask = (body: object) =>
    c.post(`${c.path('serviceaccounts')}/robot/token`, body, {
      pick: ({ status, metadata, ...rest }) =>
        rest.kind === 'Status' ? { status, ...rest } : { ...rest, spec: { ...rest.spec, audiences: undefined } },
    })
  await ask({ spec: { expirationSeconds: 599 } })
  await ask({ spec: { expirationSeconds: 2 ** 33 } })
  await ask({ metadata: { name: 'someone' }, spec: {} })
  await ask({ metadata: { namespace: 'elsewhere' }, spec: {} })
  await ask({ metadata: { uid: '11111111-1111-4111-8111-111111111111' }, spec: {} })
  const { body } = await ask({ spec: { expirationSeconds: 7200 } })
  const { iat, exp, nbf } = claimsOf(body.status.token)
  assert.deepEqual([exp - iat, nbf - iat], [7200, 0])
})

contract('who comes without credentials', async (c) => {
  const nobody = { anonymous: true }
  await c.get(c.path('pods'), nobody)
  await c.get('/api/v1/nodes/x', nobody)
  await c.get('/apis', nobody)
  await c.get('/openapi/v2', { ...nobody, pick: () => 'anything' })
  await c.get('/healthz', nobody)
  await c.post(c.path('configmaps'), configMap('a'), nobody)
  await c.delete(`${c.path('configmaps')}/a`, undefined, nobody)
  await c.get(c.path('pods'), { ...nobody, headers: { authorization: 'Bearer x' } })
  await c.get(c.path('pods'), { ...nobody, headers: { authorization: 'Basic eDp5' } })
})

contract('roles grant, in their namespace and by name', async (c) => {
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'robot' } }, quiet)
  await c.post(c.path('configmaps'), configMap('a'), quiet)
  await c.post(c.path('configmaps'), configMap('b'), quiet)
  const rules = [
    { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['a'], verbs: ['get', 'list', 'watch', 'update'] },
    { apiGroups: ['apps'], resources: ['*'], verbs: ['*'] },
  ]
  await c.post(c.path(`${rbac}/roles`), { metadata: { name: 'r' }, rules })
  await c.post(c.path(`${rbac}/rolebindings`), {
    metadata: { name: 'r' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: c.ns }],
  })
  const token = await tokenFor(c, 'robot')
  const as = { anonymous: true, headers: { authorization: `Bearer ${token}` } }
  const kind = (body: any) => (body.kind === 'Status' ? body : body.kind)
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await c.get(c.path('pods'), { ...as, ...quiet })).code === 200) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await c.get(c.path('pods'), { ...as, pick: kind })
  await c.delete(`${c.path('pods')}/x`, undefined, as)
  await c.get('/api/v1/pods', as)
  await c.get('/api/v1/namespaces/default/pods', as)
  await c.get(`${c.path('configmaps')}/a`, { ...as, pick: kind })
  await c.get(`${c.path('configmaps')}/b`, as)
  await c.get(c.path('configmaps'), as)
  await c.get(`${c.path('configmaps')}?fieldSelector=metadata.name%3Da`, { ...as, pick: kind })
  await c.put(`${c.path('configmaps')}/a`, configMap('a', { x: 'y' }), { ...as, pick: kind })
  await c.patch('merge', `${c.path('configmaps')}/a`, {}, as)
  await c.get(c.path('apps/v1/deployments'), { ...as, pick: kind })
  await c.get(`${c.path('pods')}/x/log`, as)
  await c.get(`${c.path('pods')}/x/status`, as)
  await c.post(`${c.path('pods')}/x/eviction`, {}, as)
  await c.post(c.path(`${rbac}/roles`), { metadata: { name: 'more' }, rules }, as)
  const ask = (spec: { resourceAttributes?: object; nonResourceAttributes?: object }) =>
    c.post(
      '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec },
      {
        ...as,
        pick: ({ status, code, message }) => ({
          allowed: status.allowed,
          reason: spec.nonResourceAttributes ? undefined : status.reason,
          code,
          message,
        }),
      },
    )
  await ask({ resourceAttributes: { namespace: c.ns, verb: 'list', resource: 'pods' } })
  await ask({ resourceAttributes: { namespace: 'default', verb: 'list', resource: 'pods' } })
  await ask({ resourceAttributes: { namespace: c.ns, verb: 'get', resource: 'configmaps', name: 'a' } })
  await ask({ resourceAttributes: { namespace: c.ns, verb: 'get', resource: 'configmaps' } })
  await ask({ resourceAttributes: { namespace: c.ns, verb: 'delete', group: 'apps', resource: 'daemonsets' } })
  await ask({ nonResourceAttributes: { verb: 'get', path: '/healthz' } })
  await ask({ nonResourceAttributes: { verb: 'post', path: '/secret' } })
  await ask({})
  await ask({ resourceAttributes: { verb: 'get' }, nonResourceAttributes: { verb: 'get' } })
  const byRule = (a: any, b: any) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
  const rulesOf = await c.post(
    '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: c.ns } },
    {
      ...as,
      pick: ({ status: { resourceRules, nonResourceRules, ...status }, spec }) => ({
        spec,
        status,
        resourceRules: [...resourceRules].sort(byRule),
        paths: nonResourceRules.length > 0,
      }),
    },
  )
  assert.equal(rulesOf.code, 201)
})

contract('nobody grants more than they have', async (c) => {
  const path = (kind: string) => c.path(`${rbac}/${kind}`)
  await c.post(c.path('serviceaccounts'), { metadata: { name: 'robot' } }, quiet)
  const may = (resources: string[], verbs: string[], apiGroups = ['']) => ({ apiGroups, resources, verbs })
  const group = 'rbac.authorization.k8s.io'
  await c.post(
    path('roles'),
    { metadata: { name: 'r' }, rules: [may(['pods'], ['get']), may(['roles', 'rolebindings'], ['create'], [group])] },
    quiet,
  )
  await c.post(path('roles'), { metadata: { name: 'big' }, rules: [may(['secrets'], ['*'])] }, quiet)
  const bind = (name: string, role: string, kind = 'Role') => ({
    metadata: { name },
    roleRef: { apiGroup: group, kind, name: role },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: c.ns }],
  })
  await c.post(path('rolebindings'), bind('r', 'r'), quiet)
  const as = { anonymous: true, headers: { authorization: `Bearer ${await tokenFor(c, 'robot')}` } }
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await c.get(`${c.path('pods')}/x`, { ...as, ...quiet })).code === 404) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const same = await c.post(
    path('roles'),
    { metadata: { name: 'same' }, rules: [may(['pods'], ['get'])] },
    { ...as, ...quiet },
  )
  assert.equal(same.code, 201)
  const more = await c.post(path('roles'), { metadata: { name: 'more' }, rules: [may(['pods'], ['delete'])] }, as)
  assert.equal(more.code, 403)
  await c.post(path('rolebindings'), bind('own', 'r'), { ...as, pick: (body) => body.kind })
  const bound = await c.post(path('rolebindings'), bind('big', 'big'), as)
  assert.equal(bound.code, 403)
  await c.post(path('rolebindings'), bind('none', 'there-is-none'), as)
  await c.post(path('rolebindings'), bind('admin', 'cluster-admin', 'ClusterRole'), {
    ...as,
    pick: ({ code, reason }) => [code, reason],
  })
})

contract('what an administrator does as another', async (c) => {
  const as = (headers: Record<string, string>) => ({ headers })
  const who = (headers: Record<string, string>) =>
    c.post(
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      { headers, pick: (body) => (body.kind === 'Status' ? body : body.status) },
    )
  await who({ 'impersonate-user': 'ann' })
  await who({ 'impersonate-user': 'ann', 'impersonate-group': 'devs', 'impersonate-uid': 'u' })
  await who({ 'impersonate-user': 'system:serviceaccount:default:x' })
  await who({ 'impersonate-group': 'devs' })
  await c.get(c.path('pods'), as({ 'impersonate-user': 'ann' }))
  await c.get(c.path('pods'), {
    ...as({ 'impersonate-user': 'ann', 'impersonate-group': 'system:masters' }),
    pick: (body) => body.kind,
  })
})
