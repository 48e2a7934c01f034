import { getCondition, type Kube, Lease, Node, type objects, Pod } from '#kube'
import { type Clock, rfc3339 } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { evictIn, graceMs, isLost, type Sighting, sight, taintsFor } from './judge.ts'
import { ObjectTtl, ttlAnnotation } from './object-ttl.ts'

const leaseNamespace = 'kube-node-lease'
const defaultLookEvery = 10_000
/** Conditions that every node has. */
const watched = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']
/** Labels that manifests of old select by follow those that a node has today. */
const betaLabels = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
] as const

/**
 * Watches over nodes: one whose lease is not renewed gets Ready=Unknown, its pods Ready=False and, after their
 * toleration, are evicted. All times are measured here, from when this process saw a thing happen, so neither a restart of the control
 * process nor a machine that slept evicts anybody.
 */
export function nodeLifecycleController({
  clock,
  nodeGraceMs = graceMs,
}: {
  clock: Clock
  nodeGraceMs?: number
}): Controller<any> {
  const lookEvery = Math.min(defaultLookEvery, nodeGraceMs / 5)
  const sightings = new Map<string, Sighting>()
  const taintedSince = new Map<string, number>()
  const ttl = new ObjectTtl()

  async function watchOver(axn: Axn<any>): Promise<Axn<any>> {
    const node = axn.object as objects.Node
    const uid = node.metadata.uid!
    const now = clock.monotonic()
    const lease = axn.lister.get(Lease, axn.name, leaseNamespace)
    const ready = getCondition(node, 'Ready') as Record<string, any> | undefined
    const heartbeat = lease?.spec?.renewTime ?? (ready?.['lastHeartbeatTime'] as string | undefined) ?? ''
    const before = sightings.get(uid)
    const sighting = sight(before, heartbeat, now, lookEvery)
    sightings.set(uid, sighting)
    if (before && sighting.seenAt === now && before.renewTime === sighting.renewTime) taintedSince.clear()
    const lost = isLost(sighting, now, nodeGraceMs)
    const status = lost ? 'Unknown' : (ready?.['status'] ?? 'Unknown')

    if (lost && ready?.['status'] !== 'Unknown')
      axn = unknown(axn, node).event('NodeNotReady', `Node ${axn.name} status is now: NodeNotReady`)
    const taints = taintsFor(node, ready || lost ? status : 'True', rfc3339(clock.now()))
    const seconds = ttl.secondsFor(axn.lister.list(Node).length)
    const patch = patchOf(node, taints, String(seconds))
    if (patch) axn = axn.patch({ type: Node, name: axn.name }, patch)
    const due = await drain(axn, node, taints as objects.Taint[], status, taintedSince)
    return axn.requeueAfter(Math.min(lookEvery, due ?? nodeGraceMs))
  }

  return controller(Node, {
    name: 'node-lifecycle-controller',
    reads: [Pod],
    watches: [
      { type: Lease, map: ({ metadata }) => (metadata.namespace === leaseNamespace ? [{ name: metadata.name! }] : []) },
    ],
  }).step('lifecycle', watchOver)
}

/** Labels, annotation and taints that a node is to have and has not, as one write; undefined when it has all. */
function patchOf(node: objects.Node, taints: readonly object[], ttl: string): object | undefined {
  const { labels = {}, annotations, resourceVersion } = node.metadata
  const aliases = betaLabels.filter(([label, beta]) => labels[label] !== undefined && labels[beta] !== labels[label])
  const aged = annotations?.[ttlAnnotation] !== ttl
  const tainted = taints !== node.spec?.taints && (taints.length > 0 || (node.spec?.taints?.length ?? 0) > 0)
  if (aliases.length === 0 && !aged && !tainted) return undefined
  return {
    metadata: {
      ...(aliases.length > 0 && { labels: Object.fromEntries(aliases.map(([label, beta]) => [beta, labels[label]])) }),
      ...(aged && { annotations: { [ttlAnnotation]: ttl } }),
      // Taints are a list: whoever changed it meanwhile is not to be undone.
      ...(tainted && { resourceVersion }),
    },
    ...(tainted && { spec: { taints } }),
  }
}

/** Every condition of a lost node is Unknown: nobody is left to say otherwise. */
function unknown(axn: Axn<any>, node: objects.Node): Axn<any> {
  const time = rfc3339(axn.clock.now())
  const conditions = [...(node.status?.conditions ?? [])] as Record<string, any>[]
  const stopped = { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' }
  const never = { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' }
  const known = conditions.map((condition) => ({
    ...condition,
    ...(condition['reason'] === never.reason ? never : stopped),
    status: 'Unknown',
    lastTransitionTime: condition['status'] === 'Unknown' ? condition['lastTransitionTime'] : time,
  }))
  const missing = watched.filter((type) => !conditions.some((condition) => condition['type'] === type))
  const lastHeartbeatTime = node.metadata.creationTimestamp
  const others = missing.map((type) => ({
    type,
    status: 'Unknown',
    ...never,
    lastHeartbeatTime,
    lastTransitionTime: time,
  }))
  return axn.status({ conditions: [...known, ...others] })
}

/** Marks a bad node's pods not ready, and evicts those whose toleration has run out; returns when the next one's will (ms). */
async function drain(
  axn: Axn<any>,
  node: objects.Node,
  taints: readonly objects.Taint[],
  status: string,
  taintedSince: Map<string, number>,
): Promise<number | undefined> {
  const now = axn.clock.monotonic()
  const key = (taint: objects.Taint) => `${node.metadata.uid} ${taint.key}=${taint.value ?? ''}`
  const executing = taints.filter(({ effect }) => effect === 'NoExecute')
  for (const taint of executing) if (!taintedSince.has(key(taint))) taintedSince.set(key(taint), now)
  for (const since of [...taintedSince.keys()]) {
    if (since.startsWith(`${node.metadata.uid} `) && !executing.some((taint) => key(taint) === since))
      taintedSince.delete(since)
  }
  if (executing.length === 0 && status === 'True') return undefined
  let next: number | undefined
  for (const pod of axn.lister.list(Pod)) {
    if (pod.spec?.nodeName !== axn.name || pod.metadata.deletionTimestamp !== undefined) continue
    if (status === 'Unknown') await markNotReady(axn, pod)
    const left = evictIn(pod, executing, (taint) => now - taintedSince.get(key(taint))!)
    if (left === undefined) continue
    if (left > 0) next = Math.min(next ?? left, left)
    else await evict(axn.kube, pod, axn.clock)
  }
  return next
}

/** The endpoints of a lost node must not get traffic; the kubelet says Ready again when it is back. */
async function markNotReady(axn: Axn<any>, pod: objects.Pod): Promise<void> {
  if (getCondition(pod, 'Ready')?.status !== 'True') return
  const time = rfc3339(axn.clock.now())
  const conditions = pod.status!.conditions!.map((condition) =>
    condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime: time } : condition,
  )
  const { name, namespace, resourceVersion } = pod.metadata
  await axn.kube.patch(
    Pod,
    { name: name!, namespace },
    { metadata: { resourceVersion }, status: { conditions } },
    { type: 'merge', subresource: 'status' },
  )
}

async function evict(kube: Kube, pod: objects.Pod, clock: Clock): Promise<void> {
  const { name, namespace, uid, resourceVersion } = pod.metadata
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    observedGeneration: pod.metadata.generation,
    lastTransitionTime: rfc3339(clock.now()),
  }
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget')
  const status = { conditions: [...others, condition] }
  await kube.patch(
    Pod,
    { name: name!, namespace },
    { metadata: { resourceVersion }, status },
    { subresource: 'status' },
  )
  await kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
}
