// For bench/informer.ts: `informer-process.ts whole|read|theirs [ENTRY]` with the server on standard input. Prints ms until the cache
// is in sync, and the bytes of heap that an object took.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createKube, httpTransport, type KubeObject, Pod } from '#kube'
import { controller, startOperator } from '#operator'

const [what, entry] = process.argv.slice(2)
const config = JSON.parse(readFileSync(0, 'utf8'))
const collect = (globalThis as { gc?: () => void }).gc!

/** What a controller that counts ready pods by owner reads. */
function read(_type: unknown, { apiVersion, kind, metadata, ...rest }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, labels, ownerReferences, deletionTimestamp } = metadata
  const { spec, status } = rest as any
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid, resourceVersion, labels, ownerReferences, deletionTimestamp },
    spec: { nodeName: spec?.nodeName },
    status: { phase: status?.phase, podIP: status?.podIP },
  } as KubeObject
}

async function ours(): Promise<() => unknown> {
  const stop = new AbortController()
  const kube = createKube(httpTransport({ ...config, namespace: 'default' }))
  const pods = controller(Pod, { name: 'bench', filter: () => false }).step('nothing', (axn) => axn)
  const operator = startOperator({
    kube,
    controllers: [pods],
    signal: stop.signal,
    ...(what === 'read' && { transform: read }),
  })
  await operator.ready
  return () => [operator, stop]
}

async function theirs(): Promise<() => unknown> {
  const k8s = await import(pathToFileURL(entry).href)
  const kubeConfig = new k8s.KubeConfig()
  kubeConfig.loadFromOptions({
    clusters: [{ name: 'c', server: config.server, caData: Buffer.from(config.ca).toString('base64') }],
    users: [
      {
        name: 'u',
        certData: Buffer.from(config.cert).toString('base64'),
        keyData: Buffer.from(config.key).toString('base64'),
      },
    ],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  })
  const core = kubeConfig.makeApiClient(k8s.CoreV1Api)
  const informer = k8s.makeInformer(kubeConfig, '/api/v1/pods', () => core.listPodForAllNamespaces())
  let seen = 0
  await new Promise<void>((resolve, reject) => {
    informer.on('add', () => {
      if (++seen === config.count) resolve()
    })
    informer.on('error', reject)
    informer.start().catch(reject)
  })
  return () => informer
}

// Loading code is not measured.
if (what === 'theirs') await import(pathToFileURL(entry).href)
collect()
collect()
const before = process.memoryUsage().heapUsed
const began = performance.now()
const held = await (what === 'theirs' ? theirs() : ours())
const ms = performance.now() - began
collect()
collect()
const bytes = (process.memoryUsage().heapUsed - before) / config.count
process.stdout.write(JSON.stringify({ ms, bytes, held: held() !== undefined }))
process.exit(0)
