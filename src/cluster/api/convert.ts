import type { KubeObject } from '#kube'
import type { ResourceInfo } from '../machinery/index.ts'

function apiVersionOf(info: { group: string; version: string }): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`
}

/** Fields of events.k8s.io/v1 by their name in core/v1: the same objects under two names (k8s.io/api/events/v1). */
const eventFields: readonly (readonly [core: string, events: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
]

function rename(
  object: KubeObject,
  apiVersion: string,
  pairs: Iterable<readonly [from: string, to: string]>,
): KubeObject {
  const names = new Map(pairs)
  const renamed: KubeObject = { apiVersion, kind: object.kind, metadata: object.metadata }
  for (const key in object) if (!(key in renamed)) renamed[names.get(key) ?? key] = object[key]
  return renamed
}

/** A stored object as the version of `info` shows it: the very same one when it is stored in that version. */
export function fromStorage(info: ResourceInfo, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(info)
  if (object.apiVersion === apiVersion) return object
  if (info.group === 'events.k8s.io') return rename(object, apiVersion, eventFields)
  if (info.kind === 'HorizontalPodAutoscaler' && info.group === 'autoscaling') return oldAutoscaler(object)
  // Conversion strategy None: only the apiVersion differs.
  return { ...object, apiVersion }
}

/** An object of `info`'s version as it is stored; what that version cannot say is kept as `old` has it. */
export function toStorage(info: ResourceInfo, object: KubeObject, old?: KubeObject): KubeObject {
  if (object.apiVersion === 'autoscaling/v1' && object.kind === 'HorizontalPodAutoscaler')
    return newAutoscaler(object, old)
  if (info.group !== 'events.k8s.io') return object
  return rename(
    object,
    'v1',
    eventFields.map(([core, events]) => [events, core] as const),
  )
}

const isCpu = (metric: any) => metric?.type === 'Resource' && metric.resource?.name === 'cpu'

/** autoscaling/v2 as v1, which knows the CPU's utilisation only. */
function oldAutoscaler(object: KubeObject): KubeObject {
  const { metrics, behavior: _, ...spec } = object['spec'] ?? {}
  const { currentMetrics, conditions: __, ...status } = object['status'] ?? {}
  const target = metrics?.find(isCpu)?.resource.target?.averageUtilization
  const current = currentMetrics?.find(isCpu)?.resource.current?.averageUtilization
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    spec: { ...spec, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    status: { ...status, ...(current !== undefined && { currentCPUUtilizationPercentage: current }) },
  }
}

function newAutoscaler(object: KubeObject, old: KubeObject | undefined): KubeObject {
  const { targetCPUUtilizationPercentage: target, ...spec } = object['spec'] ?? {}
  const { currentCPUUtilizationPercentage: _, ...status } = object['status'] ?? {}
  const cpu = {
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
  }
  const others = (old?.['spec']?.metrics ?? []).filter((metric: unknown) => !isCpu(metric))
  const metrics = [...others, ...(target === undefined ? [] : [cpu])]
  const { behavior } = old?.['spec'] ?? {}
  const { currentMetrics, conditions } = old?.['status'] ?? {}
  return {
    ...object,
    apiVersion: 'autoscaling/v2',
    spec: { ...spec, ...(metrics.length > 0 && { metrics }), ...(behavior && { behavior }) },
    ...(object['status'] && {
      status: { ...status, ...(currentMetrics && { currentMetrics }), ...(conditions && { conditions }) },
    }),
  }
}
