import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  getCondition,
  Ingress,
  Job,
  type Kube,
  Namespace,
  type objects,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  Service,
  ServiceAccount,
  StatefulSet,
} from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from './testing/cluster.ts'

const labels = { app: 'shop' }

function deployment(image: string, spec: Record<string, any> = {}): any {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: {
      replicas: 4,
      selector: { matchLabels: labels },
      ...spec,
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
      },
    },
  }
}

async function namespace(kube: Kube, name = 'shop') {
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } as any)
  await until(() => kube.find(ServiceAccount, 'default', name))
}

async function complete(kube: Kube): Promise<objects.Deployment> {
  return until(
    async () => {
      const live = await kube.get(Deployment, 'shop', 'shop')
      const { observedGeneration, updatedReplicas, replicas, availableReplicas } = live.status ?? {}
      const wanted = live.spec!.replicas
      const counts = [updatedReplicas, replicas, availableReplicas].every((count) => count === wanted)
      return observedGeneration === live.metadata.generation && counts ? live : undefined
    },
    { what: 'a complete rollout' },
  )
}

test('a Deployment comes up, rolls over without losing availability, and rolls back', async (t) => {
  const { kube } = await startTestCluster(t, { nodes: 2 })
  await namespace(kube)
  await kube.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  } as any)
  await kube.create(Deployment, deployment('a:1'))
  await complete(kube)
  const { items: pods } = await kube.list(Pod, { namespace: 'shop' })
  assert.equal(new Set(pods.map((pod) => pod.spec!.nodeName)).size, 2)

  const watching = new AbortController()
  let fewest = Number.POSITIVE_INFINITY
  const ready = new Map<string, number>()
  const { items, metadata } = await kube.list(EndpointSlice, { namespace: 'shop' })
  const note = (slice: objects.EndpointSlice, gone = false) => {
    const count = slice.endpoints?.filter(({ conditions }) => conditions?.ready).length ?? 0
    ready.set(slice.metadata.name!, gone ? 0 : count)
  }
  for (const slice of items) note(slice)
  const watch = (async () => {
    for await (const { type, object } of kube.watch(EndpointSlice, {
      namespace: 'shop',
      resourceVersion: metadata.resourceVersion!,
      signal: watching.signal,
    })) {
      if (type === 'BOOKMARK' || type === 'ERROR') continue
      note(object, type === 'DELETED')
      fewest = Math.min(
        fewest,
        [...ready.values()].reduce((sum, count) => sum + count, 0),
      )
    }
  })().catch(() => {})
  const image = (tag: string) => ({ spec: { template: { spec: { containers: [{ name: 'web', image: tag }] } } } })
  await kube.patch(Deployment, { name: 'shop', namespace: 'shop' }, image('a:2'), { type: 'strategic' })
  await complete(kube)
  await kube.patch(Deployment, { name: 'shop', namespace: 'shop' }, image('a:1'), { type: 'strategic' })
  const back = await complete(kube)
  watching.abort()
  await watch
  assert.ok(fewest >= 3, `only ${fewest} endpoints were ready`)
  assert.equal(back.metadata.annotations!['deployment.kubernetes.io/revision'], '3')
  assert.equal((await kube.list(ReplicaSet, { namespace: 'shop' })).items.length, 2)
  const endpoints = await until(async () => {
    const found = await kube.find(Endpoints, 'shop', 'shop')
    return found?.subsets?.[0]?.addresses?.length === 4 ? found : undefined
  })
  assert.ok(endpoints)
  const events = await until(async () => {
    const { items: found } = await kube.list(Event, { namespace: 'shop' })
    const reasons = new Set(found.map(({ reason }) => reason))
    return ['ScalingReplicaSet', 'SuccessfulCreate', 'SuccessfulDelete', 'Scheduled'].every((each) => reasons.has(each))
  })
  assert.ok(events)
})

test('deleting a Deployment takes its ReplicaSets and pods with it; orphaning leaves them to be adopted', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  await kube.create(Deployment, deployment('a:1', { replicas: 2 }))
  await complete(kube)
  await kube.delete(Deployment, 'shop', 'shop', { propagationPolicy: 'Orphan' })
  await until(async () => !(await kube.find(Deployment, 'shop', 'shop')))
  const [orphan] = (await kube.list(ReplicaSet, { namespace: 'shop' })).items
  assert.equal(orphan.metadata.ownerReferences, undefined)

  const again = await kube.create(Deployment, deployment('a:1', { replicas: 2 }))
  const adopted = await until(async () => {
    const found = await kube.get(ReplicaSet, orphan.metadata.name!, 'shop')
    return found.metadata.ownerReferences?.[0]?.uid === again.metadata.uid ? found : undefined
  })
  assert.equal(adopted.metadata.uid, orphan.metadata.uid)
  await kube.delete(Deployment, 'shop', 'shop', { propagationPolicy: 'Foreground' })
  await until(async () => !(await kube.find(Deployment, 'shop', 'shop')))
  assert.equal((await kube.list(ReplicaSet, { namespace: 'shop' })).items.length, 0)
  await until(async () => (await kube.list(Pod, { namespace: 'shop' })).items.length === 0)
})

test('a pod that is taken away is replaced; one that no longer matches is let go', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  await kube.create(Deployment, deployment('a:1', { replicas: 2 }))
  await complete(kube)
  const [first, second] = (await kube.list(Pod, { namespace: 'shop' })).items
  await kube.delete(Pod, first.metadata.name!, 'shop')
  await kube.patch(Pod, { name: second.metadata.name!, namespace: 'shop' }, { metadata: { labels: { app: 'aside' } } })
  await until(async () => {
    const { items } = await kube.list(Pod, { namespace: 'shop', labelSelector: 'app=shop' })
    return items.length === 2 && items.every((pod) => getCondition(pod, 'Ready')?.status === 'True')
  })
  const aside = await kube.get(Pod, second.metadata.name!, 'shop')
  assert.equal(aside.metadata.ownerReferences, undefined)
})

test('a Job retries, succeeds and is counted; its pods outlive no Job', async (t) => {
  const cluster = await startTestCluster(t)
  const { kube } = cluster
  await namespace(kube)
  cluster.fate(() => 'succeed')
  await kube.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate', namespace: 'shop' },
    spec: {
      completions: 3,
      parallelism: 2,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'a:1' }] } },
    },
  } as any)
  const done = await until(async () => {
    const job = await kube.get(Job, 'migrate', 'shop')
    return getCondition(job, 'Complete')?.status === 'True' ? job : undefined
  })
  assert.equal(done.status!.succeeded, 3)
  assert.equal((await kube.list(Pod, { namespace: 'shop' })).items.length, 3)
  await kube.delete(Job, 'migrate', 'shop', { propagationPolicy: 'Background' })
  await until(async () => (await kube.list(Pod, { namespace: 'shop' })).items.length === 0)
})

test('a Job that is deleted while it runs takes its pods with it', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  await kube.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'long', namespace: 'shop' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'a:1' }] } } },
  } as any)
  await until(async () => (await kube.get(Job, 'long', 'shop')).status?.ready === 1)
  await kube.delete(Job, 'long', 'shop', { propagationPolicy: 'Background' })
  await until(async () => (await kube.list(Pod, { namespace: 'shop' })).items.length === 0)
})

test('a Job fails after its backoffLimit and says why', async (t) => {
  const cluster = await startTestCluster(t)
  const { kube } = cluster
  await namespace(kube)
  cluster.fate(() => 'fail')
  await kube.create(Job, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate', namespace: 'shop' },
    spec: {
      backoffLimit: 0,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'a:1' }] } },
    },
  } as any)
  const failed = await until(async () => {
    const job = await kube.get(Job, 'migrate', 'shop')
    return getCondition(job, 'Failed')?.status === 'True' ? job : undefined
  })
  assert.equal(getCondition(failed, 'Failed')!.reason, 'BackoffLimitExceeded')
  assert.equal(failed.status!.failed, 1)
})

test('a Namespace gets its defaults, and goes with everything in it', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  const authority = await until(() => kube.find(ConfigMap, 'kube-root-ca.crt', 'shop'))
  assert.match(authority.data!['ca.crt'], /BEGIN CERTIFICATE/)
  await kube.create(Deployment, deployment('a:1', { replicas: 2 }))
  await complete(kube)
  await kube.delete(Namespace, 'shop')
  await until(async () => !(await kube.find(Namespace, 'shop')), { what: 'the namespace to go' })
  assert.equal((await kube.list(Pod, { namespace: 'shop' })).items.length, 0)
})

test('budgets know how many may go, and Ingresses where they are served', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  await kube.create(PodDisruptionBudget, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
  } as any)
  await kube.create(Ingress, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: { defaultBackend: { service: { name: 'shop', port: { number: 80 } } } },
  } as any)
  await kube.create(Deployment, deployment('a:1', { replicas: 3 }))
  const budget = await until(async () => {
    const live = await kube.get(PodDisruptionBudget, 'shop', 'shop')
    return live.status?.disruptionsAllowed === 1 ? live : undefined
  })
  const { currentHealthy, desiredHealthy, expectedPods } = budget.status!
  assert.deepEqual([currentHealthy, desiredHealthy, expectedPods], [3, 2, 3])
  const [victim] = (await kube.list(Pod, { namespace: 'shop' })).items
  await kube.evict(victim.metadata.name!, 'shop')
  await until(async () => {
    const ingress = await kube.get(Ingress, 'shop', 'shop')
    return ingress.status?.loadBalancer?.ingress?.[0].ip === '127.0.0.1'
  })
})

test('a pod that fits nowhere says why, and is bound when there is room', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  const big = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop' },
    spec: { containers: [{ name: 'c', image: 'a:1', resources: { requests: { cpu: '3' } } }] },
  })
  await kube.create(Pod, big('first') as any)
  await until(async () => (await kube.get(Pod, 'first', 'shop')).spec!.nodeName)
  await kube.create(Pod, big('second') as any)
  await until(async () => {
    const condition = getCondition(await kube.get(Pod, 'second', 'shop'), 'PodScheduled')
    return condition?.reason === 'Unschedulable' && /1 Insufficient cpu/.test(condition.message ?? '')
  })
  await kube.delete(Pod, 'first', 'shop')
  const bound = await until(async () => {
    const pod = await kube.get(Pod, 'second', 'shop')
    return pod.spec!.nodeName ? pod : undefined
  })
  assert.equal(getCondition(bound, 'PodScheduled')?.status, 'True')
})

test('a StatefulSet comes up in order, is updated from the top and keeps its names', async (t) => {
  const { kube } = await startTestCluster(t)
  await namespace(kube)
  const containers = (image: string) => [{ name: 'db', image }]
  await kube.create(StatefulSet, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop' },
    spec: {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: containers('a:1') } },
    },
  } as any)
  const settled = (image: string) =>
    until(async () => {
      const { status, metadata } = await kube.get(StatefulSet, 'db', 'shop')
      const { items } = await kube.list(Pod, { namespace: 'shop' })
      const all = items.length === 3 && items.every((pod) => pod.spec!.containers[0].image === image)
      const { observedGeneration, readyReplicas, currentRevision, updateRevision } = status ?? {}
      const done = observedGeneration === metadata.generation && currentRevision === updateRevision
      return all && done && readyReplicas === 3 ? items : undefined
    })
  const first = await settled('a:1')
  assert.deepEqual(first.map(({ metadata }) => metadata.name).sort(), ['db-0', 'db-1', 'db-2'])
  assert.equal(first[0].spec!.subdomain, 'db')
  const patch = { spec: { template: { spec: { containers: containers('a:2') } } } }
  await kube.patch(StatefulSet, { name: 'db', namespace: 'shop' }, patch, { type: 'strategic' })
  const second = await settled('a:2')
  const created = (name: string) =>
    Number(second.find(({ metadata }) => metadata.name === name)!.metadata.resourceVersion)
  assert.ok(created('db-2') < created('db-1') && created('db-1') < created('db-0'))
})
