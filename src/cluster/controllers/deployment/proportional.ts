import { annotation, bounds, byAge, type Deployment, isRecreate, type Member, replicasOf, sizeOf } from './fleet.ts'

/** True when spec.replicas changed since the active ReplicaSets were last sized. */
export function isScaling(deployment: Deployment, members: readonly Member[]): boolean {
  return members.some(({ size, annotations }) => {
    const desired = annotations[annotation.desired]
    return size > 0 && desired !== undefined && Number(desired) !== replicasOf(deployment)
  })
}

/**
 * Sizes for a Deployment that is scaled, not rolled: one ReplicaSet takes all; a finished rollout drains what is old;
 * in the middle of a rollout each grows or shrinks by its share, and the largest takes what rounding leaves over
 * (deployment/sync.go `scale`). Changes the members' `size`.
 */
export function scaleProportionally(deployment: Deployment, current: Member | undefined, old: readonly Member[]): void {
  const replicas = replicasOf(deployment)
  const only = activeOrLatest(current, old)
  if (only) {
    only.size = replicas
    return
  }
  if (current && isSaturated(deployment, current)) {
    for (const each of old) each.size = 0
    return
  }
  if (isRecreate(deployment)) return
  const members = [...(current ? [current] : []), ...old].filter(({ size }) => size > 0)
  const allowed = replicas > 0 ? replicas + bounds(deployment).surge : 0
  const toAdd = allowed - sizeOf(members)
  if (toAdd === 0) return
  members.sort((a, b) => b.size - a.size || (toAdd > 0 ? byAge(b, a) : byAge(a, b)))
  let added = 0
  const sizes = members.map((each) => {
    const share = proportion(deployment, each, toAdd, added)
    added += share
    return each.size + share
  })
  sizes[0] = Math.max(0, sizes[0] + toAdd - added)
  for (const [index, each] of members.entries()) each.size = sizes[index]
}

function activeOrLatest(current: Member | undefined, old: readonly Member[]): Member | undefined {
  const active = [...old, ...(current ? [current] : [])].filter(({ size }) => size > 0)
  if (active.length === 0) return current ?? [...old].sort(byAge).at(-1)
  return active.length === 1 ? active[0] : undefined
}

function isSaturated(deployment: Deployment, current: Member): boolean {
  const replicas = replicasOf(deployment)
  return (
    current.size === replicas &&
    Number(current.annotations[annotation.desired]) === replicas &&
    (current.rs.status?.availableReplicas ?? 0) === replicas
  )
}

function proportion(deployment: Deployment, each: Member, toAdd: number, added: number): number {
  if (each.size === 0 || toAdd === added) return 0
  const replicas = replicasOf(deployment)
  if (replicas === 0) return Math.max(-each.size, toAdd - added)
  const before = Number(each.annotations[annotation.max]) || deployment.status?.replicas || replicas
  const share = Math.round((each.size * (replicas + bounds(deployment).surge)) / before) - each.size
  return toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added)
}
