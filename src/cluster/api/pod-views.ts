import type { KubeObject } from '#kube'
import { equal, isObject } from '#lib'
import { type Cause, qosClass } from '../machinery/index.ts'

/** Subresources of a pod that are the pod, of which they may change one thing. */
const views = new Set<string | undefined>(['resize', 'ephemeralcontainers'])

const fields = ['containers', 'initContainers'] as const

const list = (value: unknown): any[] => (Array.isArray(value) ? value : [])

/** The pod with what such a subresource may change taken from the request, and the rest as it is stored. */
export function podView(subresource: string | undefined, next: KubeObject, old: KubeObject): KubeObject {
  if (!views.has(subresource) || !isObject(next['spec'])) return next
  if (subresource === 'ephemeralcontainers') {
    return { ...next, spec: { ...old['spec'], ephemeralContainers: next['spec']['ephemeralContainers'] } } as KubeObject
  }
  return resizeView(next, old)
}

/** What a resize changes (dropNonResizeUpdates). Other containers than there are stay as asked, to be refused. */
function resizeView(next: KubeObject, old: KubeObject): KubeObject {
  if (fields.some((field) => list(next['spec'][field]).length !== list(old['spec'][field]).length)) return next
  const metadata = { ...next.metadata }
  for (const key of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    delete metadata[key]
    if (old.metadata[key] !== undefined) Object.assign(metadata, { [key]: old.metadata[key] })
  }
  const spec = { ...old['spec'] }
  for (const field of fields) {
    const [now, before] = [list(next['spec'][field]), list(old['spec'][field])]
    if (now.length === 0) continue
    const renamed = now.some((container, index) => container?.name !== before[index].name)
    spec[field] = renamed ? now : before.map((container, index) => sized(container, now[index]))
  }
  return { ...next, metadata, spec } as KubeObject
}

function sized(container: any, { resources, resizePolicy }: any): any {
  const { resources: _, resizePolicy: __, ...rest } = container
  return { ...rest, ...(resources !== undefined && { resources }), ...(resizePolicy !== undefined && { resizePolicy }) }
}

/** Of the problems with a changed pod, those that concern this endpoint, and its own. */
export function podViewCauses(
  subresource: string | undefined,
  object: KubeObject,
  old: KubeObject,
  causes: readonly Cause[],
): Cause[] {
  if (!views.has(subresource)) return [...causes]
  const kept = causes.filter((cause) => !cause.message.startsWith('Forbidden: pod updates may not change fields'))
  return [...kept, ...(subresource === 'resize' ? resizeCauses(object, old) : ephemeralCauses(object, old))]
}

/** ValidatePodEphemeralContainersUpdate: they come, and never go or change. */
function ephemeralCauses(object: KubeObject, old: KubeObject): Cause[] {
  const now = list(object['spec'].ephemeralContainers)
  return list(old['spec'].ephemeralContainers).flatMap((before): Cause[] => {
    const after = now.find((one) => one.name === before.name)
    if (after && equal(after, before)) return []
    const message = `Forbidden: existing ephemeral containers ${JSON.stringify(before.name)} may not be ${after ? 'changed' : 'removed'}\n`
    return [{ reason: 'FieldValueForbidden', field: 'spec.ephemeralContainers', message }]
  })
}

const immutable = 'only cpu and memory resources are mutable'

/**
 * ValidatePodResize: on running pods of a node that can resize, the class of service stays, and so do the containers, every kind
 * of request or limit that was set, and whatever is neither CPU nor memory.
 */
function resizeCauses(object: KubeObject, old: KubeObject): Cause[] {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return [forbidden('', 'static pods cannot be resized')]
  }
  const causes: Cause[] = []
  const before = old['status']?.qosClass ?? qosClass(old['spec'])
  if (qosClass(object['spec']) !== before) {
    const message = `Invalid value: ${JSON.stringify(before)}: Pod QOS Class may not change as a result of resizing`
    causes.push({ reason: 'FieldValueInvalid', field: 'spec', message })
  }
  const running = list(old['status']?.containerStatuses).find(({ state }) => state?.running)
  if (running && !running.resources) causes.push(forbidden('spec', 'Pod running on node without support for resize'))
  const disordered = fields.flatMap((field) => orderCauses(field, object, old))
  if (disordered.length > 0) return [...causes, ...disordered]
  for (const field of fields) {
    for (const [index, was] of list(old['spec'][field]).entries()) {
      const now = object['spec'][field][index]
      causes.push(...removedCauses(now.resources, was.resources, `spec.${field}[${index}].resources`))
      if (equal(unsized(now), unsized(was))) continue
      const init = 'only cpu and memory resources for init or sidecar containers are mutable'
      causes.push(field === 'containers' ? forbidden('spec', immutable) : forbidden(`spec.${field}[${index}]`, init))
    }
  }
  return causes
}

function orderCauses(field: (typeof fields)[number], object: KubeObject, old: KubeObject): Cause[] {
  const [now, was] = [list(object['spec'][field]), list(old['spec'][field])]
  if (now.length !== was.length) return [forbidden(`spec.${field}`, `${field} may not be added or removed on resize`)]
  return was.flatMap(({ name }, index) => {
    if (now[index]?.name === name) return []
    return [forbidden(`spec.${field}[${index}].name`, `${field} may not be renamed or reordered on resize`)]
  })
}

function removedCauses(now: any, was: any, at: string): Cause[] {
  return ['requests', 'limits'].flatMap((kind) => {
    const gone = Object.keys(was?.[kind] ?? {}).some((name) => now?.[kind]?.[name] === undefined)
    return gone ? [forbidden(`${at}.${kind}`, `resource ${kind} cannot be removed`)] : []
  })
}

/** A container without what a resize may change. */
function unsized({ resources, ...rest }: any): object {
  const others = ({ cpu: _, memory: __, ...kinds }: any = {}) => kinds
  return { ...rest, requests: others(resources?.requests), limits: others(resources?.limits) }
}

function forbidden(field: string, message: string): Cause {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${message}` }
}
