import type { KubeObject } from '#kube'
import { errorMessage, nodeHttps } from '#lib'
import { authorizeResource } from './authorization.ts'
import { metricsGroup, metricsResources, metricsVersion } from './metrics-resources.ts'
import { pretty } from './negotiate.ts'
import { type Api, type ApiRequest, type ApiResponse, idOf, nowOf } from './request.ts'
import { predicateOf } from './selectors.ts'
import { methodNotAllowed, notFound, StatusError } from './status.ts'
import { addressOf } from './subresources/log.ts'

interface Usage {
  cpu: { time: string; usageNanoCores: number }
  memory: { workingSetBytes: number }
}

/** The kubelet's answer, as src/cluster/node/summary.ts makes it. */
interface Summary {
  windowSeconds: number
  node: Usage
  pods: { podRef: { name: string; namespace: string; uid: string }; containers: ({ name: string } & Usage)[] }[]
}

/**
 * `/apis/metrics.k8s.io/v1beta1/…`: what nodes and pods use, from the kubelet API of each node at the moment of the
 * question. Undefined for other paths.
 */
export async function resourceMetrics(api: Api, request: ApiRequest): Promise<ApiResponse | undefined> {
  const match = /^\/apis\/metrics\.k8s\.io\/v1beta1(?:\/namespaces\/([^/]+))?\/(nodes|pods)(?:\/([^/]+))?$/.exec(
    request.path,
  )
  if (!match) return undefined
  const [namespace, plural, name] = match.slice(1).map((part) => part && decodeURIComponent(part))
  const info = metricsResources.find((one) => one.plural === plural)!
  if ((namespace !== undefined && !info.namespaced) || (name && info.namespaced && !namespace)) return undefined
  if (request.method !== 'GET') throw methodNotAllowed(info, request.method.toLowerCase())
  const { group } = info
  await authorizeResource(api, request.user, name ? 'get' : 'list', { group, plural: info.plural, name, namespace })
  const wanted = predicateOf(info, request.query) ?? (() => true)
  const subjects = api.store
    .list(info.namespaced ? 'core/pods' : 'core/nodes')
    .map(({ object }) => object)
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
    .filter(({ metadata }) => name === undefined || metadata.name === name)
    .filter(wanted)
  const summaries = await summariesOf(api, info.namespaced ? nodesOf(api, subjects) : subjects)
  const items = info.namespaced
    ? subjects.flatMap((pod) => podMetrics(pod, summaries) ?? [])
    : subjects.flatMap((node) => nodeMetrics(api, node, summaries) ?? [])
  if (name !== undefined && items.length === 0) throw notFound(info, idOf(namespace, name))
  const apiVersion = `${metricsGroup}/${metricsVersion}`
  const [item] = items
  const body =
    name === undefined
      ? { kind: info.listKind, apiVersion, metadata: {}, items }
      : { kind: info.kind, apiVersion, ...item }
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body, null, pretty(request) ? 2 : undefined)),
  }

  function podMetrics(pod: KubeObject, all: ReadonlyMap<string, Summary>) {
    const summary = all.get(pod.spec.nodeName)
    const found = summary?.pods.find(({ podRef }) => podRef.uid === pod.metadata.uid)
    if (!summary || !found || found.containers.length === 0) return undefined
    return {
      ...head(pod, summary),
      containers: found.containers.map((container) => ({ name: container.name, usage: usageOf(container) })),
    }
  }

  function head({ metadata }: KubeObject, summary: Summary) {
    const { name, namespace, labels } = metadata
    return {
      metadata: { name, ...(namespace && { namespace }), ...(labels && { labels }), creationTimestamp: nowOf(api) },
      timestamp: summary.node.cpu.time,
      window: `${summary.windowSeconds.toFixed(3)}s`,
    }
  }

  function nodeMetrics(api: Api, node: KubeObject, all: ReadonlyMap<string, Summary>) {
    const summary = all.get(node.metadata.name!)
    if (!summary) return undefined
    // Virtual nodes are one machine: each has what its pods use, and its share of what is not a pod.
    const own = new Set(
      api.store
        .list('core/pods')
        .filter(({ object }) => object.spec.nodeName === node.metadata.name)
        .map(({ object }) => object.metadata.uid),
    )
    const sum = { pods: zero(), own: zero() }
    for (const pod of summary.pods) {
      for (const container of pod.containers) {
        for (const total of own.has(pod.podRef.uid) ? [sum.pods, sum.own] : [sum.pods]) {
          total.cpu.usageNanoCores += container.cpu.usageNanoCores
          total.memory.workingSetBytes += container.memory.workingSetBytes
        }
      }
    }
    const sharers = [...all.values()].filter((other) => other === summary).length
    const share = (machine: number, pods: number, mine: number) => mine + Math.max(0, machine - pods) / sharers
    const { cpu, memory } = summary.node
    sum.own.cpu.usageNanoCores = share(cpu.usageNanoCores, sum.pods.cpu.usageNanoCores, sum.own.cpu.usageNanoCores)
    sum.own.memory.workingSetBytes = share(
      memory.workingSetBytes,
      sum.pods.memory.workingSetBytes,
      sum.own.memory.workingSetBytes,
    )
    return { ...head(node, summary), usage: usageOf(sum.own) }
  }
}

function zero(): Usage {
  return { cpu: { time: '', usageNanoCores: 0 }, memory: { workingSetBytes: 0 } }
}

function usageOf({ cpu, memory }: Usage) {
  return {
    cpu: `${Math.round(cpu.usageNanoCores)}n`,
    memory: `${Math.round(memory.workingSetBytes / 1024)}Ki`,
  }
}

function nodesOf(api: Api, pods: readonly KubeObject[]): KubeObject[] {
  const names = new Set(pods.flatMap(({ spec }) => spec.nodeName ?? []))
  return [...names].flatMap((name) => api.store.get('core/nodes', name)?.object ?? [])
}

/**
 * By node; nodes with the same kubelet API share one answer, and all of those are in it, asked for or not: they share a
 * machine. A node that does not answer has none.
 */
async function summariesOf(api: Api, nodes: readonly KubeObject[]): Promise<Map<string, Summary>> {
  const asked = new Map<string, Promise<Summary | undefined>>()
  for (const node of nodes) {
    const at = whereIs(node)
    if (at !== undefined && !asked.has(at)) asked.set(at, ask(api, node))
  }
  await Promise.all(asked.values())
  const found = new Map<string, Summary>()
  for (const { object } of api.store.list('core/nodes')) {
    const summary = await asked.get(whereIs(object) ?? '')
    if (summary) found.set(object.metadata.name!, summary)
  }
  if (nodes.length > 0 && found.size === 0) {
    const names = nodes.map(({ metadata }) => metadata.name).join(', ')
    throw new StatusError(503, 'ServiceUnavailable', `no node answers for its metrics: ${names.slice(0, 200)}`)
  }
  return found
}

function whereIs(node: KubeObject): string | undefined {
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
  return port ? `${addressOf(node).host}:${port}` : undefined
}

async function ask(api: Api, node: KubeObject): Promise<Summary | undefined> {
  const { host, port } = addressOf(node)
  const { ca, kubeletClient } = api.pki
  try {
    return await new Promise((resolve, reject) => {
      const options = {
        host,
        port,
        path: '/stats/summary',
        ca: ca.cert,
        ...kubeletClient,
        agent: false,
        timeout: 10_000,
      }
      const request = nodeHttps().get(options, (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()))
          } catch (error) {
            reject(error)
          }
        })
      })
      request.on('timeout', () => request.destroy(new Error('no answer within 10 s')))
      request.on('error', reject)
    })
  } catch (error) {
    api.log.warn({ node: node.metadata.name }, `the kubelet API does not tell its usage: ${errorMessage(error)}`)
    return undefined
  }
}
