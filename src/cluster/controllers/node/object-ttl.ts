/** Annotation that tells kubelets how long they may keep Secrets and ConfigMaps before they ask again, in seconds. */
export const ttlAnnotation = 'node.alpha.kubernetes.io/ttl'

/** Clusters of so many nodes: the bounds overlap, so that one node more or less does not change every node (upstream's ttl controller). */
const sizes = [
  { least: 0, most: 100, seconds: 0 },
  { least: 90, most: 500, seconds: 15 },
  { least: 450, most: 1000, seconds: 30 },
  { least: 900, most: 2000, seconds: 60 },
  { least: 1800, most: Number.POSITIVE_INFINITY, seconds: 300 },
]

/** How long kubelets may keep objects; remembers which size the cluster had. */
export class ObjectTtl {
  #size = 0

  secondsFor(nodes: number): number {
    while (nodes > sizes[this.#size].most) this.#size++
    while (nodes < sizes[this.#size].least) this.#size--
    return sizes[this.#size].seconds
  }
}
