import { controllerOf, type KubeObject, keyOf, matches, type objects, Pod, type ResourceType } from '#kube'
import type { Lister } from '#operator'

/** Pods without a controller: few, so that adoption need not look at all pods. `type` is whose selectors may match them. */
export class Orphans {
  readonly #type: ResourceType<any>
  readonly #keys = new Set<string>()

  constructor(type: ResourceType<any>) {
    this.#type = type
  }

  /** Notes a pod event, whose version may be the one before; returns the owners that could adopt the pod. */
  observe({ metadata: { name, namespace } }: objects.Pod, lister: Lister): { name: string; namespace?: string }[] {
    const pod = lister.get(Pod, name!, namespace)
    if (!pod || controllerOf(pod) || pod.metadata.deletionTimestamp) {
      this.#keys.delete(`${namespace}/${name}`)
      return []
    }
    this.#keys.add(keyOf(pod))
    return lister
      .list(this.#type, { namespace })
      .filter((owner: KubeObject) => matches(owner.spec?.selector, pod.metadata.labels))
      .map((owner: KubeObject) => ({ name: owner.metadata.name!, namespace }))
  }

  of(namespace: string, lister: Lister): (KubeObject & objects.Pod)[] {
    const prefix = `${namespace}/`
    const found: (KubeObject & objects.Pod)[] = []
    for (const key of this.#keys) {
      const pod = key.startsWith(prefix) && lister.get(Pod, key.slice(prefix.length), namespace)
      if (pod) found.push(pod)
    }
    return found
  }
}
