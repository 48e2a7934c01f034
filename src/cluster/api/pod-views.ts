import type { KubeObject } from '#kube'
import { equal, isObject } from '#lib'
import { type Cause, qosClass } from '../machinery/index.ts'

/** Subresources of a pod that are the pod, of which they may change one thing. */
const views = new Set<string | undefined>(['resize', 'ephemeralcontainers'])

const list = (value: unknown): any[] => (Array.isArray(value) ? value : [])

/** The pod with what such a subresource may change taken from the request, and the rest as it is stored. */
export function podView(subresource: string | undefined, next: KubeObject, old: KubeObject): KubeObject {
  if (!views.has(subresource) || !isObject(next['spec'])) return next
  if (subresource === 'ephemeralcontainers') {
    return { ...next, spec: { ...old['spec'], ephemeralContainers: next['spec']['ephemeralContainers'] } } as KubeObject
  }
  const resized = (field: string) =>
    list(old['spec'][field]).map((container) => {
      const asked = list(next['spec'][field]).find((one) => one?.name === container.name)
      if (!asked) return container
      const { resources, resizePolicy } = asked
      return {
        ...container,
        ...(resources !== undefined && { resources }),
        ...(resizePolicy !== undefined && { resizePolicy }),
      }
    })
  const spec = { ...old['spec'], containers: resized('containers') }
  if (old['spec'].initContainers) spec.initContainers = resized('initContainers')
  return { ...next, spec } as KubeObject
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

/** ValidatePodResize: the class of service stays, and so does every kind of request or limit that was set. */
function resizeCauses(object: KubeObject, old: KubeObject): Cause[] {
  const causes: Cause[] = []
  const before = qosClass(old['spec'])
  if (qosClass(object['spec']) !== before) {
    const message = `Invalid value: ${JSON.stringify(qosClass(object['spec']))}: Pod QOS Class may not change as a result of resizing`
    causes.push({ reason: 'FieldValueInvalid', field: 'spec', message })
  }
  for (const [index, container] of list(object['spec'].containers).entries()) {
    const was = list(old['spec'].containers)[index]?.resources ?? {}
    for (const field of ['limits', 'requests']) {
      for (const name of Object.keys(was[field] ?? {})) {
        if (container.resources?.[field]?.[name] !== undefined) continue
        const message = `Forbidden: resource ${field} cannot be removed`
        causes.push({ reason: 'FieldValueForbidden', field: `spec.containers[${index}].resources.${field}`, message })
      }
    }
  }
  return causes
}
