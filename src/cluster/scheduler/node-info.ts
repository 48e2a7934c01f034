import type { objects } from '#kube'
import { type PodInfo, quantity } from './pod-info.ts'

/** A node with the sums of what runs on it, kept up to date pod by pod. */
export class NodeInfo {
  readonly name: string
  node!: objects.Node
  labels: Record<string, string> = {}
  taints: readonly objects.Taint[] = []
  unschedulable = false
  allocatableCpu = 0
  allocatableMemory = 0
  allocatablePods = 110
  allocatable: Record<string, string> = {}
  readonly pods = new Map<string, PodInfo>()
  cpu = 0
  memory = 0
  scoreCpu = 0
  scoreMemory = 0
  readonly #extended = new Map<string, number>()
  readonly #ports = new Map<string, string[]>()

  constructor(node: objects.Node) {
    this.name = node.metadata.name!
    this.update(node)
  }

  update(node: objects.Node): void {
    this.node = node
    this.labels = node.metadata.labels ?? {}
    this.taints = node.spec?.taints ?? []
    this.unschedulable = node.spec?.unschedulable === true
    this.allocatable = (node.status?.allocatable ?? node.status?.capacity ?? {}) as Record<string, string>
    this.allocatableCpu = Math.floor(quantity(this.allocatable['cpu']) * 1000 + 1e-6)
    this.allocatableMemory = quantity(this.allocatable['memory'])
    this.allocatablePods = this.allocatable['pods'] === undefined ? 110 : quantity(this.allocatable['pods'])
  }

  add(pod: PodInfo): void {
    this.remove(pod.uid)
    this.pods.set(pod.uid, pod)
    this.#count(pod, 1)
  }

  remove(uid: string): void {
    const pod = this.pods.get(uid)
    if (!pod) return
    this.pods.delete(uid)
    this.#count(pod, -1)
  }

  extended(resource: string): number {
    return this.#extended.get(resource) ?? 0
  }

  /** Would a host port clash? The same protocol and port do, unless both are bound to different addresses. */
  hasPort(protocol: string, ip: string, port: number): boolean {
    const bound = this.#ports.get(`${protocol}:${port}`)
    return bound?.some((other) => other === ip || other === '0.0.0.0' || ip === '0.0.0.0') ?? false
  }

  #count(pod: PodInfo, sign: 1 | -1): void {
    this.cpu += sign * pod.cpu
    this.memory += sign * pod.memory
    this.scoreCpu += sign * pod.scoreCpu
    this.scoreMemory += sign * pod.scoreMemory
    for (const [resource, amount] of pod.extended ?? []) {
      this.#extended.set(resource, this.extended(resource) + sign * amount)
    }
    for (const { protocol, ip, port } of pod.hostPorts) {
      const key = `${protocol}:${port}`
      const bound = this.#ports.get(key) ?? []
      if (sign > 0) bound.push(ip)
      else bound.splice(bound.indexOf(ip), 1)
      if (bound.length > 0) this.#ports.set(key, bound)
      else this.#ports.delete(key)
    }
  }
}
