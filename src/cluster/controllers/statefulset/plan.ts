import type { objects } from '#kube'
import { isAvailable, isReady, isTerminal, revisionLabel, scaled, unlessZero } from '../shared/index.ts'

type StatefulSet = objects.StatefulSet
type Pod = objects.Pod

export interface StatefulInput {
  set: StatefulSet
  pods: readonly Pod[]
  /** Name of the ControllerRevision of the present template, and of the one that was last rolled out whole. */
  updateRevision: string
  currentRevision: string
  now: number
}

export interface StatefulPlan {
  create: { ordinal: number; revision: string }[]
  delete: Pod[]
  status: Record<string, any>
  /** ms until a ready pod becomes available. */
  nextIn?: number
}

/** `<set>-<ordinal>` → ordinal; undefined when the name is not of this set. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`
  const name = pod.metadata.name ?? ''
  const text = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^\d+$/.test(text) ? Number(text) : undefined
}

/**
 * One pass over a StatefulSet (upstream's updateStatefulSet). OrderedReady takes one step at a time, each only when
 * all pods before it are healthy; Parallel creates and deletes at once. A rolling update replaces one pod after the other, from the
 * highest ordinal down to the partition, whatever the policy.
 */
export function planStatefulSet(input: StatefulInput): StatefulPlan {
  const { set, now } = input
  const plan: StatefulPlan = { create: [], delete: [], status: {} }
  const replicas = set.spec?.replicas ?? 1
  const start = set.spec?.ordinals?.start ?? 0
  const minReady = set.spec?.minReadySeconds ?? 0
  const ordered = set.spec?.podManagementPolicy !== 'Parallel'
  const slots: (Pod | undefined)[] = Array.from({ length: replicas })
  const condemned: { ordinal: number; pod: Pod }[] = []
  for (const pod of input.pods) {
    const ordinal = ordinalOf(set, pod)
    if (ordinal === undefined) continue
    if (ordinal >= start && ordinal < start + replicas) slots[ordinal - start] = pod
    else condemned.push({ ordinal, pod })
  }
  condemned.sort((a, b) => b.ordinal - a.ordinal)
  plan.status = statusOf(input)
  if (minReady > 0) {
    const waits = input.pods
      .filter((pod) => isReady(pod) && !isAvailable(pod, minReady, now))
      .map(
        (pod) =>
          Date.parse(pod.status!.conditions!.find(({ type }) => type === 'Ready')!.lastTransitionTime!) +
          minReady * 1000 -
          now,
      )
    if (waits.length > 0) plan.nextIn = Math.max(1, Math.min(...waits))
  }
  if (set.metadata.deletionTimestamp !== undefined) return plan
  const isHealthy = (pod: Pod | undefined) =>
    pod !== undefined && pod.metadata.deletionTimestamp === undefined && isAvailable(pod, minReady, now)

  for (const [index, pod] of slots.entries()) {
    const ordinal = start + index
    if (pod && isTerminal(pod) && pod.metadata.deletionTimestamp === undefined) plan.delete.push(pod)
    else if (!pod) plan.create.push({ ordinal, revision: revisionFor(input, ordinal) })
    else if (isHealthy(pod)) continue
    // Later ones wait for this one.
    if (ordered) return plan
  }
  const firstUnhealthy = slots.find((pod) => !isHealthy(pod)) ?? condemned.findLast(({ pod }) => !isHealthy(pod))?.pod
  for (const { pod } of condemned) {
    if (pod.metadata.deletionTimestamp === undefined && !(ordered && firstUnhealthy && firstUnhealthy !== pod))
      plan.delete.push(pod)
    if (ordered) return plan
  }
  if (plan.create.length > 0) return plan
  if (set.spec?.updateStrategy?.type === 'OnDelete') return plan
  plan.delete.push(...outdated(input, slots, start, isHealthy))
  return plan
}

/** Pods to be replaced now: at most maxUnavailable (1 unless said) are down at a time, the highest ordinals first. */
function outdated(
  { set, updateRevision }: StatefulInput,
  slots: readonly (Pod | undefined)[],
  start: number,
  isHealthy: (pod: Pod | undefined) => boolean,
): Pod[] {
  const rolling = set.spec?.updateStrategy?.rollingUpdate
  const partition = Math.max(0, (rolling?.partition ?? 0) - start)
  const allowed = Math.max(1, scaled(rolling?.maxUnavailable ?? 1, slots.length, 'up', 1))
  let down = 0
  for (const pod of slots) if (!isHealthy(pod)) down++
  const victims: Pod[] = []
  for (let index = slots.length - 1; index >= partition; index--) {
    const pod = slots[index]
    if (!pod) continue
    if (pod.metadata.labels?.[revisionLabel] === updateRevision) {
      // A new pod that is not up yet stops the rollout here.
      if (!isHealthy(pod) && allowed === 1) return victims
      continue
    }
    if (pod.metadata.deletionTimestamp !== undefined) continue
    if (isHealthy(pod)) {
      if (down >= allowed) return victims
      down++
    }
    victims.push(pod)
    if (victims.length >= allowed) return victims
  }
  return victims
}

/** Pods below the partition come back as what they were; while nothing was rolled out whole yet, all are new. */
function revisionFor({ set, updateRevision, currentRevision }: StatefulInput, ordinal: number): string {
  const strategy = set.spec?.updateStrategy
  if (strategy?.type === 'OnDelete') return updateRevision
  const partition = strategy?.rollingUpdate?.partition ?? 0
  return ordinal < partition ? currentRevision : updateRevision
}

function statusOf({ set, pods, updateRevision, currentRevision, now }: StatefulInput): Record<string, any> {
  const minReady = set.spec?.minReadySeconds ?? 0
  const mine = pods.filter((pod) => !isTerminal(pod))
  const at = (revision: string) =>
    mine.filter(
      (pod) => pod.metadata.labels?.[revisionLabel] === revision && pod.metadata.deletionTimestamp === undefined,
    ).length
  const ready = mine.filter(isReady).length
  const updated = at(updateRevision)
  const replicas = set.spec?.replicas ?? 1
  // The current revision moves only when everything is new and up, and never by OnDelete (completeRollingUpdate).
  const rolling = set.spec?.updateStrategy?.type !== 'OnDelete'
  const done = rolling && updated === replicas && mine.length === replicas && ready === replicas
  const current = done ? updateRevision : currentRevision
  return {
    observedGeneration: set.metadata.generation,
    replicas: mine.length,
    readyReplicas: unlessZero(ready),
    availableReplicas: mine.filter((pod) => isAvailable(pod, minReady, now)).length,
    currentReplicas: unlessZero(at(current)),
    updatedReplicas: unlessZero(updated),
    currentRevision: current,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
  }
}
