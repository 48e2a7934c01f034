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
  // Conversion strategy None: only the apiVersion differs.
  return { ...object, apiVersion }
}

/** An object of `info`'s version as it is stored. */
export function toStorage(info: ResourceInfo, object: KubeObject): KubeObject {
  if (info.group !== 'events.k8s.io') return object
  return rename(
    object,
    'v1',
    eventFields.map(([core, events]) => [events, core] as const),
  )
}
