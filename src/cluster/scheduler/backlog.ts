import type { objects } from '#kube'

/** Pods that wait for their first attempt, or have been woken for another: the more important are to be served first. */
export class Backlog {
  readonly #levels = new Map<number, Map<string, objects.Pod>>()

  add(pod: objects.Pod): void {
    const priority = pod.spec?.priority ?? 0
    let level = this.#levels.get(priority)
    if (!level) this.#levels.set(priority, (level = new Map()))
    level.set(pod.metadata.uid!, pod)
  }

  delete(uid: string): void {
    for (const [priority, level] of this.#levels) {
      if (!level.delete(uid)) continue
      if (level.size === 0) this.#levels.delete(priority)
      return
    }
  }

  /** Takes out all pods above a priority, the most important first. */
  takeAbove(priority: number): objects.Pod[] {
    const above = [...this.#levels.keys()].filter((each) => each > priority).sort((a, b) => b - a)
    const pods = above.flatMap((each) => [...this.#levels.get(each)!.values()])
    for (const each of above) this.#levels.delete(each)
    return pods
  }
}
