import { rfc3339 } from '#lib'
import type { PodSignals } from './store.ts'
import { combined, readingOf, type Signal } from './vocabulary.ts'

/*
 * The documents of custom.metrics.k8s.io (k8s.io/metrics/pkg/apis/custom_metrics), v1beta2 and the older v1beta1, which
 * writes the metric's name and the window in other fields.
 */

export const group = 'custom.metrics.k8s.io'
/** The preferred one first. */
export const versions = ['v1beta2', 'v1beta1'] as const
export type Version = (typeof versions)[number]

/** What a value is about. */
export interface Described {
  apiVersion: string
  kind: string
  /** Undefined for a Namespace. */
  namespace?: string
  name: string
}

/** Resources whose objects have values: a pod its own, the others those of their pods together. */
export const describable: Record<string, { apiVersion: string; kind: string; namespaced: boolean }> = {
  pods: { apiVersion: 'v1', kind: 'Pod', namespaced: true },
  'deployments.apps': { apiVersion: 'apps/v1', kind: 'Deployment', namespaced: true },
  'statefulsets.apps': { apiVersion: 'apps/v1', kind: 'StatefulSet', namespaced: true },
  namespaces: { apiVersion: 'v1', kind: 'Namespace', namespaced: false },
}

export function groupDocument() {
  const list = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions: list, preferredVersion: list[0] }
}

/** Discovery: each metric of each resource, as `RESOURCE/METRIC`. */
export function resourceList(version: string, names: readonly string[]) {
  const resources = Object.entries(describable).flatMap(([resource, { namespaced }]) =>
    names.map((name) => ({
      name: `${resource}/${name}`,
      singularName: '',
      namespaced,
      kind: 'MetricValueList',
      verbs: ['get'],
    })),
  )
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`, resources }
}

/** The value of one metric for one object; undefined when none of its pods has it. */
export function metricValue(
  version: Version,
  signal: Signal,
  described: Described,
  pods: readonly PodSignals[],
): object | undefined {
  const having = pods.flatMap((pod) => {
    const value = readingOf(signal, pod)
    return value === undefined ? [] : [{ pod, value }]
  })
  const value = combined(
    signal,
    having.map((one) => one.value),
  )
  if (value === undefined) return undefined
  const timestamp = rfc3339(Math.max(...having.map(({ pod }) => pod.at)))
  const windowSeconds = Math.max(...having.map(({ pod }) => pod.windowSeconds))
  const window = signal.windowed ? windowSeconds : undefined
  const describedObject = { ...described }
  if (version === 'v1beta1') {
    const field = window === undefined ? {} : { window }
    return { describedObject, metricName: signal.name, timestamp, ...field, value: quantity(value), selector: null }
  }
  const field = window === undefined ? {} : { windowSeconds: window }
  return { describedObject, metric: { name: signal.name, selector: null }, timestamp, ...field, value: quantity(value) }
}

export function valueList(version: Version, items: readonly object[]) {
  return { kind: 'MetricValueList', apiVersion: `${group}/${version}`, metadata: {}, items }
}

/** A number as resource.Quantity: whole, or in thousandths. */
export function quantity(value: number): string {
  const milli = Math.round(value * 1000)
  if (!Number.isSafeInteger(milli)) return BigInt(Math.round(value)).toString()
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`
}
