import { availableOf, bounds, byAge, type Deployment, isRecreate, type Member, replicasOf, sizeOf } from './fleet.ts'

/** The size the new ReplicaSet may have now: as much as the surge allows beside what is old (NewRSNewReplicas). */
export function newSize(deployment: Deployment, size: number, old: readonly Member[]): number {
  const replicas = replicasOf(deployment)
  if (isRecreate(deployment) || size > replicas) return replicas
  const room = replicas + bounds(deployment).surge - sizeOf(old) - size
  return room <= 0 ? size : size + Math.min(room, replicas - size)
}

/**
 * Shrinks the old ReplicaSets as far as availability allows: first by pods that do not serve anyway, then by serving
 * ones, the oldest first. Changes the members' `size`; true when any changed.
 */
export function shrinkOld(deployment: Deployment, current: Member, old: readonly Member[]): boolean {
  const all = [...old, current]
  const minAvailable = replicasOf(deployment) - bounds(deployment).unavailable
  const newUnavailable = current.size - (current.rs.status?.availableReplicas ?? 0)
  const spare = sizeOf(all) - minAvailable - newUnavailable
  if (sizeOf(old) === 0 || spare <= 0) return false
  const before = sizeOf(old)
  const oldest = [...old].sort(byAge)

  let cleanup = spare
  for (const each of oldest) {
    const unhealthy = each.size - (each.rs.status?.availableReplicas ?? 0)
    if (cleanup <= 0 || unhealthy <= 0) continue
    const count = Math.min(cleanup, unhealthy)
    each.size -= count
    cleanup -= count
  }
  let surplus = availableOf(all) - minAvailable
  for (const each of oldest) {
    if (surplus <= 0) break
    const count = Math.min(each.size, surplus)
    each.size -= count
    surplus -= count
  }
  return sizeOf(old) !== before
}
