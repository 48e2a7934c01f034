import type { objects } from '#kube'
import { parseQuantity, rfc3339 } from '#lib'
import { type ContainerInfo, containersOf, type PodRecord } from './record.ts'

/*
 * In-place resize of a running pod (KEP-1287): what its containers are given follows what their spec says since, without a
 * restart unless a container's resizePolicy wants one.
 */

type Resources = objects.ResourceRequirements
type Kind = 'cpu' | 'memory'
const kinds = ['cpu', 'memory'] as const

export interface Resize {
  info: ContainerInfo
  resources: Resources
  /** One of what changes is only applied by a restart. */
  restart: boolean
}

/** Running containers that have been given something else than their spec says by now. */
export function pendingResizes(record: PodRecord): Resize[] {
  return containersOf(record.pod).flatMap((info): Resize[] => {
    const { spec, kind } = info
    const known = record.containers[spec.name]
    if (kind === 'init' || !known?.state.running || !known.given) return []
    const resources = spec.resources ?? {}
    const changed = kinds.filter((one) => differs(known.given!, resources, one))
    if (changed.length === 0) return []
    const restart = changed.some((one) =>
      (spec.resizePolicy ?? []).some(
        ({ resourceName, restartPolicy }) => resourceName === one && restartPolicy === 'RestartContainer',
      ),
    )
    return [{ info, resources, restart }]
  })
}

function differs(one: Resources, other: Resources, kind: Kind): boolean {
  return (['requests', 'limits'] as const).some(
    (field) => (amount(one[field], kind) ?? -1) !== (amount(other[field], kind) ?? -1),
  )
}

function amount(list: Resources['requests'], kind: Kind): number | undefined {
  return list?.[kind] === undefined ? undefined : (parseQuantity(list[kind]!) ?? 0)
}

/**
 * Why a pod cannot have what it asks for now, in the kubelet's words: never on this node (`Infeasible`), or not while the others
 * have what they have (`Deferred`). Undefined when it can.
 */
export function obstacle(
  record: PodRecord,
  others: Iterable<PodRecord>,
  allocatable: { cpu: number; memoryBytes: number },
): { reason: 'Infeasible' | 'Deferred'; message: string } | undefined {
  const uid = record.pod.metadata.uid
  for (const kind of kinds) {
    const scale = kind === 'cpu' ? 1000 : 1
    const capacity = (kind === 'cpu' ? allocatable.cpu : allocatable.memoryBytes) * scale
    const requested = wanted(record, kind) * scale
    if (requested <= given(record, kind) * scale) continue
    if (requested > capacity) {
      const message = `Node didn't have enough capacity: ${kind}, requested: ${requested}, capacity: ${capacity}`
      return { reason: 'Infeasible', message }
    }
    let used = 0
    for (const other of others) if (other.pod.metadata.uid !== uid) used += given(other, kind) * scale
    if (requested + used > capacity) {
      const message = `Node didn't have enough resource: ${kind}, requested: ${requested}, used: ${used}, capacity: ${capacity}`
      return { reason: 'Deferred', message }
    }
  }
  return undefined
}

/** What a pod's containers request by their spec, and what they were given. */
function wanted(record: PodRecord, kind: Kind): number {
  return sum(record, ({ spec }) => amount(spec.resources?.requests, kind))
}

function given(record: PodRecord, kind: Kind): number {
  if (record.phase === 'Succeeded' || record.phase === 'Failed') return 0
  return sum(record, ({ spec }) => amount((record.containers[spec.name]?.given ?? spec.resources)?.requests, kind))
}

function sum(record: PodRecord, of: (info: ContainerInfo) => number | undefined): number {
  return containersOf(record.pod).reduce((total, info) => total + (info.kind === 'init' ? 0 : (of(info) ?? 0)), 0)
}

/** The conditions that tell of a resize; none when there is nothing to tell. */
export function resizeConditions(record: PodRecord, now: number): objects.PodCondition[] {
  const { resize, pod } = record
  if (!resize) return []
  const before = record.conditions.find(({ type }) => type === resize.type)
  return [
    {
      type: resize.type,
      status: 'True',
      lastTransitionTime: before?.lastTransitionTime ?? rfc3339(now),
      observedGeneration: pod.metadata.generation,
      ...(resize.reason && { reason: resize.reason }),
      ...(resize.message && { message: resize.message }),
    } as objects.PodCondition,
  ]
}
