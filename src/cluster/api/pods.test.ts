import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { testApi } from './testing.ts'

const pods = '/api/v1/namespaces/default/pods'
const merge = { type: 'application/merge-patch+json' }

function pod(name: string, spec: object = {}) {
  const container = {
    name: 'c',
    image: 'i:1',
    env: [{ name: 'PORT', value: '8080' }],
    ports: [{ name: 'http', containerPort: 8080 }],
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'a' } },
    spec: { containers: [container], ...spec },
  }
}

const binding = (name: string, node: string) => ({
  apiVersion: 'v1',
  kind: 'Binding',
  metadata: { name },
  target: { kind: 'Node', name: node },
})

test('a pod gets an account, tolerations, a priority and a port of its own', async (t) => {
  const { send } = await testApi(t)
  const [one, two] = [(await send('POST', pods, pod('one'))).body, (await send('POST', pods, pod('two'))).body]
  for (const { spec, status } of [one, two]) {
    const [container] = spec.containers
    assert.ok(container.ports[0].containerPort >= 20_000 && container.ports[0].containerPort < 30_000)
    assert.equal(container.env[0].value, String(container.ports[0].containerPort))
    assert.equal(spec.serviceAccountName, 'default')
    assert.equal(spec.priority, 0)
    assert.equal(spec.tolerations.length, 2)
    assert.equal(container.volumeMounts[0].mountPath, '/var/run/secrets/kubernetes.io/serviceaccount')
    assert.equal(status.phase, 'Pending')
  }
  assert.notEqual(one.spec.containers[0].env[0].value, two.spec.containers[0].env[0].value)
  const quiet = (await send('POST', pods, pod('quiet', { automountServiceAccountToken: false }))).body
  assert.equal(quiet.spec.volumes, undefined)
  const unknown = await send('POST', pods, pod('x', { priorityClassName: 'nope' }))
  assert.equal(unknown.body.message, 'pods "x" is forbidden: no PriorityClass with name nope was found')
})

test('a binding assigns a node once; the rest of a pod may hardly change', async (t) => {
  const { send } = await testApi(t)
  await send('POST', pods, pod('p'))
  assert.equal((await send('POST', `${pods}/p/binding`, binding('p', 'node-0'))).code, 201)
  const bound = (await send('GET', `${pods}/p`)).body
  assert.equal(bound.spec.nodeName, 'node-0')
  assert.equal(bound.status.conditions[0].type, 'PodScheduled')
  const twice = await send('POST', `${pods}/p/binding`, binding('p', 'node-1'))
  assert.deepEqual([twice.code, twice.body.reason], [409, 'Conflict'])
  const env = await send(
    'PATCH',
    `${pods}/p`,
    { spec: { containers: [{ name: 'c', env: [{ name: 'X', value: 'y' }] }] } },
    { type: 'application/strategic-merge-patch+json' },
  )
  assert.equal(env.code, 422)
  assert.match(env.body.message, /pod updates may not change fields other than/)
  const image = await send(
    'PATCH',
    `${pods}/p`,
    { spec: { containers: [{ name: 'c', image: 'i:2' }] } },
    { type: 'application/strategic-merge-patch+json' },
  )
  assert.equal(image.body.spec.containers[0].image, 'i:2')
})

test('a running pod is deleted after its grace, which can only be shortened; one that never ran goes at once', async (t) => {
  const { send } = await testApi(t)
  await send('POST', pods, pod('waiting'))
  await send('DELETE', `${pods}/waiting`)
  assert.equal((await send('GET', `${pods}/waiting`)).code, 404)
  await send('POST', pods, pod('p'))
  await send('POST', `${pods}/p/binding`, binding('p', 'node-0'))
  const first = (await send('DELETE', `${pods}/p`)).body
  assert.equal(first.metadata.deletionGracePeriodSeconds, 30)
  const longer = (await send('DELETE', `${pods}/p`, { gracePeriodSeconds: 60 })).body
  assert.equal(longer.metadata.resourceVersion, first.metadata.resourceVersion)
  assert.equal(
    (await send('DELETE', `${pods}/p`, { gracePeriodSeconds: 5 })).body.metadata.deletionGracePeriodSeconds,
    5,
  )
  const uid = first.metadata.uid
  assert.equal((await send('DELETE', `${pods}/p`, { gracePeriodSeconds: 0, preconditions: { uid } })).code, 200)
  assert.equal((await send('GET', `${pods}/p`)).code, 404)
})

test('field selectors of pods', async (t) => {
  const { send } = await testApi(t)
  for (const name of ['a', 'b']) await send('POST', pods, pod(name))
  await send('POST', `${pods}/a/binding`, binding('a', 'node-0'))
  const select = async (selector: string) =>
    (await send('GET', `/api/v1/pods?fieldSelector=${encodeURIComponent(selector)}`)).body.items.map(
      (item: any) => item.metadata.name,
    )
  assert.deepEqual(await select('spec.nodeName=node-0'), ['a'])
  assert.deepEqual(await select('spec.nodeName='), ['b'])
  assert.deepEqual(await select('status.phase!=Running,metadata.name=b'), ['b'])
  assert.equal(
    (await send('GET', `${pods}?fieldSelector=spec.foo%3Dx`)).body.message,
    'field label not supported: spec.foo',
  )
})

test('an eviction takes from the disruption budget, and is refused when it is empty', async (t) => {
  const { send } = await testApi(t)
  const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets'
  for (const name of ['a', 'b']) {
    await send('POST', pods, pod(name))
    await send('POST', `${pods}/${name}/binding`, binding(name, 'node-0'))
    await send(
      'PATCH',
      `${pods}/${name}/status`,
      { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
      merge,
    )
  }
  await send('POST', budgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'budget' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } } },
  })
  const status = { observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 }
  assert.equal((await send('PATCH', `${budgets}/budget/status`, { status }, merge)).code, 200)
  const evict = (name: string) =>
    send('POST', `${pods}/${name}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } })
  assert.equal((await evict('a')).code, 201)
  assert.ok((await send('GET', `${pods}/a`)).body.metadata.deletionTimestamp)
  const refused = await evict('b')
  assert.equal(refused.code, 429)
  assert.equal(refused.body.message, "Cannot evict pod as it would violate the pod's disruption budget.")
  assert.equal(
    refused.body.details.causes[0].message,
    'The disruption budget budget needs 1 healthy pods and has 2 currently',
  )
})

test('logs are streamed from the node, which sees who asks', async (t) => {
  const { send, pki } = await testApi(t)
  const kubelet = createServer(
    { cert: pki.node.cert, key: pki.node.key, ca: pki.ca.cert, requestCert: true },
    (request, response) => {
      if (request.url?.includes('/gone/')) response.writeHead(404).end('no such container')
      else response.end(`${(request.socket as any).getPeerCertificate().subject.CN} ${request.url}\n`)
    },
  )
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve))
  t.after(() => kubelet.close())
  await send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-0' } })
  const Port = (kubelet.address() as AddressInfo).port
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }]
  await send(
    'PATCH',
    '/api/v1/nodes/node-0/status',
    { status: { addresses, daemonEndpoints: { kubeletEndpoint: { Port } } } },
    merge,
  )
  for (const name of ['p', 'gone']) {
    await send('POST', pods, pod(name))
    await send('POST', `${pods}/${name}/binding`, binding(name, 'node-0'))
  }
  const log = await send('GET', `${pods}/p/log?tailLines=5&evil=1`)
  assert.equal(log.text, 'kube-apiserver-kubelet-client /containerLogs/default/p/c?tailLines=5\n')
  const gone = await send('GET', `${pods}/gone/log`)
  assert.deepEqual([gone.code, gone.body.message], [404, 'no such container'])
  assert.equal((await send('GET', `${pods}/p/log?container=zz`)).body.message, 'container zz is not valid for pod p')
})

test('the restricted standard is enforced where the namespace says so', async (t) => {
  const { send } = await testApi(t)
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tight', labels } })
  const path = '/api/v1/namespaces/tight/pods'
  const refused = await send('POST', path, pod('p'))
  assert.equal(refused.code, 403)
  assert.equal(
    refused.body.message,
    'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  )
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
  const containers = [{ name: 'c', image: 'i', securityContext }]
  const good = { containers, securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } }
  assert.equal((await send('POST', path, pod('p', good))).code, 201)
  const privileged = await send('POST', path, pod('q', { ...good, hostNetwork: true }))
  assert.match(privileged.body.message, /host namespaces \(hostNetwork=true\)/)
})
