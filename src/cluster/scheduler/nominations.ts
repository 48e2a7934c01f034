import type { PodInfo } from './pod-info.ts'

const none: readonly PodInfo[] = []

/** Pods without a node for which one is being cleared: whoever comes meanwhile may not take their room. */
export class Nominations {
  readonly #pods = new Map<string, { info: PodInfo; node: string }>()

  set(info: PodInfo, node: string): void {
    this.#pods.set(info.uid, { info, node })
  }

  /** True when there was one. */
  delete(uid: string): boolean {
    return this.#pods.delete(uid)
  }

  nodeOf(uid: string): string | undefined {
    return this.#pods.get(uid)?.node
  }

  /** Those on a node that another pod must leave room for. */
  on(node: string, { uid, priority }: PodInfo): readonly PodInfo[] {
    if (this.#pods.size === 0) return none
    const found: PodInfo[] = []
    for (const { info, node: at } of this.#pods.values())
      if (at === node && info.uid !== uid && info.priority >= priority) found.push(info)
    return found
  }

  /** Drops and returns those on a node whom a pod of higher priority displaces. */
  displace(node: string, priority: number): PodInfo[] {
    const found: PodInfo[] = []
    for (const { info, node: at } of this.#pods.values()) if (at === node && info.priority < priority) found.push(info)
    for (const { uid } of found) this.#pods.delete(uid)
    return found
  }
}
