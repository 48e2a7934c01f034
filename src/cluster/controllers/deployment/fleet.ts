import type { objects } from '#kube'
import { equal } from '#lib'
import { scaled } from '../shared/index.ts'

export type Deployment = objects.Deployment
export type ReplicaSet = objects.ReplicaSet

export const hashLabel = 'pod-template-hash'
export const annotation = {
  revision: 'deployment.kubernetes.io/revision',
  history: 'deployment.kubernetes.io/revision-history',
  desired: 'deployment.kubernetes.io/desired-replicas',
  max: 'deployment.kubernetes.io/max-replicas',
  lastApplied: 'kubectl.kubernetes.io/last-applied-configuration',
} as const

/** A ReplicaSet as the plan moves it about: `size` is spec.replicas, now or as planned. */
export interface Member {
  readonly rs: ReplicaSet
  readonly name: string
  size: number
  annotations: Record<string, string>
}

export function member(rs: ReplicaSet): Member {
  return {
    rs,
    name: rs.metadata.name!,
    size: rs.spec?.replicas ?? 1,
    annotations: { ...rs.metadata.annotations },
  }
}

export function sizeOf(members: readonly Member[]): number {
  return members.reduce((sum, { size }) => sum + size, 0)
}

export function availableOf(members: readonly Member[]): number {
  return members.reduce((sum, { rs }) => sum + (rs.status?.availableReplicas ?? 0), 0)
}

export function replicasOf(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1
}

export function isRecreate(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type === 'Recreate'
}

/** maxSurge rounds up, maxUnavailable down; both 0 would stand still, so maxUnavailable becomes 1 (deployment/util ResolveFenceposts). */
export function bounds(deployment: Deployment): { surge: number; unavailable: number } {
  const replicas = replicasOf(deployment)
  if (isRecreate(deployment)) return { surge: 0, unavailable: 0 }
  const rolling = deployment.spec?.strategy?.rollingUpdate
  const surge = scaled(rolling?.maxSurge ?? '25%', replicas, 'up')
  const unavailable = scaled(rolling?.maxUnavailable ?? '25%', replicas, 'down')
  if (surge === 0 && unavailable === 0) return { surge: 0, unavailable: Math.min(1, replicas) }
  return { surge, unavailable: Math.min(unavailable, replicas) }
}

/** Same template, the pod-template-hash label aside. */
export function sameTemplate(a: Record<string, any> | undefined, b: Record<string, any> | undefined): boolean {
  return equal(withoutHash(a), withoutHash(b))
}

function withoutHash(template: Record<string, any> | undefined): unknown {
  if (template?.metadata?.labels?.[hashLabel] === undefined) return template
  const { [hashLabel]: _, ...labels } = template.metadata.labels
  return { ...template, metadata: { ...template.metadata, labels } }
}

/** Oldest first; the name decides between equals, so that every pass sees one order. */
export function byAge(a: Member, b: Member): number {
  const left = a.rs.metadata.creationTimestamp ?? ''
  const right = b.rs.metadata.creationTimestamp ?? ''
  if (left !== right) return left < right ? -1 : 1
  return a.name < b.name ? -1 : 1
}

export function revisionOf(holder: { annotations: Record<string, string> }): number {
  const text = holder.annotations[annotation.revision]
  return text && /^\d+$/.test(text) ? Number(text) : 0
}
