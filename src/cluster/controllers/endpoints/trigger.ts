import { getCondition, type KubeObject, type objects } from '#kube'

/** Annotation of Endpoints and slices: when the change came that they were written for (RFC 3339); absent when nothing tells. */
export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** The object with the annotation, where there is a time. */
export function triggeredAt(object: objects.EndpointSlice | objects.Endpoints, time: string | undefined): KubeObject {
  if (time === undefined) return object as KubeObject
  return { ...object, metadata: { ...object.metadata, annotations: { [triggerAnnotation]: time } } } as KubeObject
}

/** What was known of a Service at the last look, by pod names. */
type Known = ReadonlyMap<string, string>

/**
 * Works out which change a Service's endpoints are about to be written for, as upstream's TriggerTimeTracker: the earliest of the
 * readiness changes that are new since the last look; at the first look, the creation of the Service.
 */
export class TriggerTimes {
  readonly #services = new Map<string, Known>()

  /** Remembers this look. Undefined when no time is new. */
  look(service: objects.Service, pods: readonly objects.Pod[]): string | undefined {
    const { uid, creationTimestamp } = service.metadata
    const before = this.#services.get(uid!)
    const now = new Map<string, string>()
    let earliest: string | undefined
    for (const pod of pods) {
      const time = getCondition(pod, 'Ready')?.lastTransitionTime
      if (!time) continue
      const name = pod.metadata.name!
      now.set(name, time)
      // Times of one format in UTC order as texts do.
      if (time > (before?.get(name) ?? '') && (earliest === undefined || time < earliest)) earliest = time
    }
    this.#services.set(uid!, now)
    return before ? earliest : creationTimestamp
  }

  forget(uid: string): void {
    this.#services.delete(uid)
  }
}
