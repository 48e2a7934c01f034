/** What people do with the official JavaScript client: typed calls, an informer, apply, logs. CLIENT is where its entry is. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { until } from '../../../src/lib/testing/index.ts'

const k8s = await import(pathToFileURL(process.env['CLIENT']!).href)
const config = new k8s.KubeConfig()
config.loadFromDefault()
const core = config.makeApiClient(k8s.CoreV1Api)
const apps = config.makeApiClient(k8s.AppsV1Api)

async function step(name: string, run: (namespace: string) => Promise<void>): Promise<void> {
  const { metadata } = await core.createNamespace({ body: { metadata: { generateName: 'node-' } } })
  const error = await run(metadata.name).then(
    () => undefined,
    (error) => error,
  )
  if (error) process.exitCode = 1
  process.stdout.write(`${JSON.stringify({ step: name, error: error && String(error.stack) })}\n`)
}

function equal(actual: unknown, wanted: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(wanted))
    throw new Error(`expected ${JSON.stringify(wanted)}, got ${JSON.stringify(actual)}`)
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 200,
    (error) => error.code,
  )

const configMap = (name: string, data = {}) => ({ metadata: { name, labels: { kind: 'test' } }, data })

const deployment = (namespace: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: 'main', image: 'cuddle.local/host', command: ['sh', '-c', 'echo hello from node; exec sleep 600'] },
        ],
      },
    },
  },
})

await step('creates, reads, replaces and deletes', async (namespace) => {
  const created = await core.createNamespacedConfigMap({ namespace, body: configMap('palette', { colour: 'red' }) })
  equal(await codeOf(core.createNamespacedConfigMap({ namespace, body: configMap('palette') })), 409)
  created.data.colour = 'blue'
  await core.replaceNamespacedConfigMap({ namespace, name: 'palette', body: created })
  equal(await codeOf(core.replaceNamespacedConfigMap({ namespace, name: 'palette', body: created })), 409)
  const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'kind=test' })
  equal(
    list.items.map((item: any) => [
      item.metadata.name,
      item.data.colour,
      item.metadata.creationTimestamp instanceof Date,
    ]),
    [['palette', 'blue', true]],
  )
  await core.deleteNamespacedConfigMap({ namespace, name: 'palette' })
  equal(await codeOf(core.readNamespacedConfigMap({ namespace, name: 'palette' })), 404)
})

await step('applies and patches', async (namespace) => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config)
  const wanted = deployment(namespace)
  const apply = () => objects.patch(wanted, undefined, undefined, 'node', true, k8s.PatchStrategy.ServerSideApply)
  equal((await apply()).metadata.generation, 1)
  equal((await apply()).metadata.generation, 1)
  const options = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch)
  const body = [{ op: 'replace', path: '/spec/replicas', value: 0 }]
  const patched = await apps.patchNamespacedDeployment({ name: 'web', namespace, body }, options)
  equal([patched.spec.replicas, patched.metadata.generation], [0, 2])
  await objects.delete(wanted)
  await until(async () => (await apps.listNamespacedReplicaSet({ namespace })).items.length === 0)
})

await step('keeps an informer through changes', async (namespace) => {
  for (const name of ['a', 'b']) await core.createNamespacedConfigMap({ namespace, body: configMap(name) })
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'kind=test' })
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, 'kind=test')
  const seen: string[] = []
  for (const verb of ['add', 'update', 'delete'])
    informer.on(verb, (object: any) => seen.push(`${verb} ${object.metadata.name}`))
  informer.on('error', (error: any) => seen.push(String(error)))
  await informer.start()
  await core.createNamespacedConfigMap({ namespace, body: configMap('c') })
  await until(() => seen.includes('add c'))
  await core.replaceNamespacedConfigMap({ namespace, name: 'c', body: configMap('c', { now: 'changed' }) })
  await until(() => informer.get('c', namespace)?.data?.now === 'changed')
  await core.deleteNamespacedConfigMap({ namespace, name: 'a' })
  await until(() => seen.includes('delete a'))
  await informer.stop()
  equal(seen, ['add a', 'add b', 'add c', 'update c', 'delete a'])
})

await step('runs a deployment and follows its log', async (namespace) => {
  await apps.createNamespacedDeployment({ namespace, body: deployment(namespace) })
  await until(
    async () => (await apps.readNamespacedDeploymentStatus({ name: 'web', namespace })).status?.availableReplicas === 1,
  )
  const [pod] = (await core.listNamespacedPod({ namespace })).items
  const stream = new PassThrough()
  await new k8s.Log(config).log(namespace, pod.metadata.name, 'main', stream, { follow: true })
  const [line] = await once(stream, 'data')
  equal(String(line), 'hello from node\n')
  await apps.deleteNamespacedDeployment({ name: 'web', namespace, propagationPolicy: 'Foreground' })
  await once(stream, 'end')
})
process.exit()
