import type { objects } from '#kube'
import { nodeMatches, untolerated } from '../../scheduler/index.ts'
import { availableIn, isAvailable, isReady, isTerminal, revisionLabel, scaled } from '../shared/index.ts'
import { daemonTolerations, nodeOf } from './daemon-pod.ts'

type DaemonSet = objects.DaemonSet
type Pod = objects.Pod

export interface DaemonInput {
  set: DaemonSet
  nodes: readonly objects.Node[]
  /** The pods it owns. */
  pods: readonly Pod[]
  /** Hash of the present template: what the revision label of up-to-date pods says. */
  hash: string
  now: number
}

export interface DaemonPlan {
  /** Names of the nodes that get a pod. */
  create: string[]
  delete: Pod[]
  /** Failed pods; they are deleted too, after a pause that grows per node. */
  failed: { pod: Pod; node: string }[]
  succeeded: Pod[]
  status: Record<string, any>
  /** ms until a ready pod becomes available. */
  nextIn?: number
}

/** Should a node run a daemon, and may one that is there stay? (upstream's NodeShouldRunDaemonPod) */
export function wantsDaemon(set: DaemonSet, node: objects.Node): { run: boolean; stay: boolean } {
  const spec = set.spec?.template.spec
  const name = node.metadata.name!
  if (spec?.nodeName && spec.nodeName !== name) return { run: false, stay: false }
  const rules = { nodeSelector: spec?.nodeSelector, nodeAffinity: spec?.affinity?.nodeAffinity }
  if (!nodeMatches(rules, { name, labels: node.metadata.labels ?? {} })) return { run: false, stay: false }
  const tolerations = daemonTolerations(spec)
  const taints = node.spec?.taints ?? []
  const fits = !untolerated(taints, tolerations, ['NoSchedule', 'NoExecute'])
  return { run: fits, stay: fits || !untolerated(taints, tolerations, ['NoExecute']) }
}

/**
 * One pass over a DaemonSet (upstream's manage and rollingUpdate): every node that should has one pod, and a rolling update
 * replaces old pods within maxUnavailable, or starts new ones beside them within maxSurge.
 */
export function planDaemonSet(input: DaemonInput): DaemonPlan {
  const { set, nodes, now } = input
  const places = placesOf(input)
  const plan: DaemonPlan = { create: [], delete: [], failed: [], succeeded: [], status: statusOf(input, places) }
  const minReady = set.spec?.minReadySeconds ?? 0
  const waits = input.pods.map((pod) => availableIn(pod, minReady, now)).filter((wait) => wait)
  if (waits.length > 0) plan.nextIn = Math.min(...(waits as number[]))
  if (set.metadata.deletionTimestamp !== undefined) return plan
  const desired = places.filter(({ run }) => run).length
  const surge = allowance(set, 'maxSurge', 0, desired)
  const unavailable = allowance(set, 'maxUnavailable', 1, desired)
  for (const place of places) settlePlace(plan, input, place, surge > 0)
  const rolls = set.spec?.updateStrategy?.type !== 'OnDelete'
  // The pods to come are not up: replacing others now would take down more than is allowed.
  if (!rolls || nodes.length === 0) return plan
  if (surge > 0) rollWithSurge(plan, input, places, surge)
  else roll(plan, input, places, Math.max(unavailable, 1))
  return plan
}

interface Place {
  name: string
  run: boolean
  stay: boolean
  pods: Pod[]
}

/** Nodes with what each has and should have; pods of nodes that are gone are left to the pod collector. */
function placesOf({ set, nodes, pods }: DaemonInput): Place[] {
  const places = new Map<string, Place>()
  for (const node of nodes) {
    const name = node.metadata.name!
    places.set(name, { name, ...wantsDaemon(set, node), pods: [] })
  }
  for (const pod of pods) places.get(nodeOf(pod) ?? '')?.pods.push(pod)
  for (const place of places.values()) place.pods.sort(older)
  return [...places.values()]
}

function older(a: Pod, b: Pod): number {
  const [left, right] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`)
  return left < right ? -1 : 1
}

/** Fields in pods or per cent of the nodes that should run one; both round up. */
function allowance(set: DaemonSet, field: 'maxSurge' | 'maxUnavailable', fallback: number, desired: number): number {
  return scaled(set.spec?.updateStrategy?.rollingUpdate?.[field] ?? fallback, desired, 'up', fallback)
}

const isGoing = (pod: Pod) => pod.metadata.deletionTimestamp !== undefined

function settlePlace(plan: DaemonPlan, input: DaemonInput, place: Place, surging: boolean): void {
  const { run, stay, name, pods } = place
  if (!stay) {
    plan.delete.push(...pods.filter((pod) => !isGoing(pod)))
    return
  }
  // One that is on its way out still holds its ports and its place.
  if (pods.length === 0) {
    if (run) plan.create.push(name)
    return
  }
  const running: Pod[] = []
  for (const pod of pods) {
    if (isGoing(pod)) continue
    if (pod.status?.phase === 'Failed') plan.failed.push({ pod, node: name })
    else if (pod.status?.phase === 'Succeeded') plan.succeeded.push(pod)
    else running.push(pod)
  }
  if (!surging) {
    plan.delete.push(...running.slice(1))
    return
  }
  const isNew = (pod: Pod) => pod.metadata.labels?.[revisionLabel] === input.hash
  const [fresh, ...freshSurplus] = running.filter(isNew)
  const [old, ...oldSurplus] = running.filter((pod) => !isNew(pod))
  plan.delete.push(...freshSurplus, ...oldSurplus)
  const minReady = input.set.spec?.minReadySeconds ?? 0
  if (fresh && old && (!isReady(old) || isAvailable(fresh, minReady, input.now))) plan.delete.push(old)
}

/** The live pods of a place by revision; undefined when there is more than one of either, which is put right first. */
function pair({ pods }: Place, hash: string): { fresh?: Pod; old?: Pod } | undefined {
  let fresh: Pod | undefined
  let old: Pod | undefined
  for (const pod of pods) {
    if (isGoing(pod)) continue
    if (pod.metadata.labels?.[revisionLabel] === hash) {
      if (fresh) return undefined
      fresh = pod
    } else {
      if (old) return undefined
      old = pod
    }
  }
  return { fresh, old }
}

/** An old pod that does not serve is replaced at once; the others only as far as maxUnavailable allows. */
function roll(plan: DaemonPlan, { set, hash, now }: DaemonInput, places: readonly Place[], allowed: number): void {
  const minReady = set.spec?.minReadySeconds ?? 0
  let down = 0
  const candidates: Pod[] = []
  const gone = new Set([...plan.delete, ...plan.failed.map(({ pod }) => pod), ...plan.succeeded])
  for (const place of places) {
    if (!place.run && place.pods.length === 0) continue
    const found = pair(place, hash)
    if (found?.fresh && isAvailable(found.fresh, minReady, now)) continue
    if (!found?.old || found.fresh || gone.has(found.old)) down++
    else if (isAvailable(found.old, minReady, now)) candidates.push(found.old)
    else {
      down++
      plan.delete.push(found.old)
    }
  }
  plan.delete.push(...candidates.slice(0, Math.max(0, allowed - down)))
}

/** New pods start beside old ones; `settlePlace` takes the old one away once the new one is available. */
function rollWithSurge(
  plan: DaemonPlan,
  { set, hash, now }: DaemonInput,
  places: readonly Place[],
  allowed: number,
): void {
  const minReady = set.spec?.minReadySeconds ?? 0
  let surged = 0
  const candidates: string[] = []
  for (const place of places) {
    const found = pair(place, hash)
    if (!found) surged++
    else if (found.fresh && found.old && !isAvailable(found.fresh, minReady, now)) surged++
    else if (!found.fresh && found.old && place.run) {
      if (isAvailable(found.old, minReady, now)) candidates.push(place.name)
      else plan.create.push(place.name)
    }
  }
  plan.create.push(...candidates.slice(0, Math.max(0, allowed - surged)))
}

/** Of several pods on a node the oldest speaks for it. */
function statusOf({ set, hash, now }: DaemonInput, places: readonly Place[]): Record<string, any> {
  const minReady = set.spec?.minReadySeconds ?? 0
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 }
  for (const { run, pods } of places) {
    const pod = pods.find((each) => !(isGoing(each) && isTerminal(each)))
    if (!run) {
      if (pod) counts.misscheduled++
      continue
    }
    counts.desired++
    if (!pod) continue
    counts.current++
    if (isReady(pod)) counts.ready++
    if (isAvailable(pod, minReady, now)) counts.available++
    if (pod.metadata.labels?.[revisionLabel] === hash) counts.updated++
  }
  const unavailable = counts.desired - counts.available
  return {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    observedGeneration: set.metadata.generation,
    updatedNumberScheduled: counts.updated || undefined,
    numberAvailable: counts.available || undefined,
    numberUnavailable: unavailable || undefined,
    collisionCount: set.status?.collisionCount,
    conditions: set.status?.conditions,
  }
}
