import type { objects } from '#kube'
import { equal } from '#lib'
import { NodeInfo } from './node-info.ts'
import { Nominations } from './nominations.ts'
import { type PodInfo, podInfo, type SpreadConstraint } from './pod-info.ts'
import { counts, type Domains } from './spread.ts'
import { Terms } from './terms.ts'

/** What a change may mean to waiting pods: room anywhere, or a new pod that those with affinity or spread rules look at. */
export type Effect = 'none' | 'room' | 'neighbour'

/** A pod on a node, or promised to it. */
export interface Placed {
  info: PodInfo
  node: string
  assumed: boolean
}

/**
 * The scheduler's picture of the cluster: nodes, and the pods that are on them or have been promised to them (assumed: bound,
 * but the cache has not shown it yet). Everything is kept incrementally, so that one more pod costs one update.
 */
export class Cluster {
  readonly nodes: NodeInfo[] = []
  readonly #byName = new Map<string, NodeInfo>()
  readonly #placed = new Map<string, Placed>()
  readonly #namespaces = new Map<string, Map<string, { info: PodInfo; node: string }>>()
  /** Per namespace, the constraints that were asked for, with how the pods they count lie. */
  readonly #counters = new Map<string, Map<string, { constraint: SpreadConstraint; domains: Domains }>>()
  readonly #topologies = new Map<string, Domains>()
  /** Required affinity and anti-affinity, of newcomers to the pods that are there and the other way. */
  readonly terms = new Terms(() => this.#everyone())
  /** Pods with preferred (anti-)affinity or required affinity, who pull or push newcomers in scores. */
  readonly attracting = new Map<string, { info: PodInfo; node: string }>()
  /** Nodes that are being cleared for pods. */
  readonly nominations = new Nominations()
  /** Pods that are being evicted for others, by uid. */
  readonly evicted = new Set<string>()
  readonly #priorities = new Map<number, number>()

  node(name: string): NodeInfo | undefined {
    return this.#byName.get(name)
  }

  /** Pods on nodes, of one namespace or all. */
  *placed(namespace?: string): Iterable<{ info: PodInfo; node: string }> {
    if (namespace === undefined) yield* this.#placed.values()
    else yield* this.#namespaces.get(namespace)?.values() ?? []
  }

  setNode(node: objects.Node): Effect {
    const known = this.#byName.get(node.metadata.name!)
    if (!known) {
      const info = new NodeInfo(node)
      this.#byName.set(info.name, info)
      this.nodes.push(info)
      this.#forgetDomains()
      for (const { info: pod, node: on } of this.#placed.values()) if (on === info.name) info.add(pod)
      return 'room'
    }
    const before = known.node
    known.update(node)
    if (!equal(before.metadata.labels, node.metadata.labels)) this.#forgetDomains()
    const same =
      equal(before.spec, node.spec) &&
      equal(before.metadata.labels, node.metadata.labels) &&
      equal(before.status?.allocatable, node.status?.allocatable)
    return same ? 'none' : 'room'
  }

  removeNode(name: string): void {
    const known = this.#byName.get(name)
    if (!known) return
    this.#byName.delete(name)
    this.nodes.splice(this.nodes.indexOf(known), 1)
    this.#forgetDomains()
  }

  /** Takes a pod's event in: bound pods count until they are finished or gone. */
  setPod(pod: objects.Pod): Effect {
    const uid = pod.metadata.uid!
    const node = pod.spec?.nodeName
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    const known = this.#placed.get(uid)
    if (finished) return this.removePod(uid)
    // An event from before our binding says nothing against it.
    if (!node) return 'none'
    const info = podInfo(pod)
    if (known?.node === node && equal(known.info, info)) {
      const confirmed = known.assumed
      known.assumed = false
      return confirmed ? 'neighbour' : 'none'
    }
    this.#place(info, node, false)
    return known ? 'room' : 'neighbour'
  }

  removePod(uid: string): Effect {
    const promised = this.nominations.delete(uid)
    this.evicted.delete(uid)
    return this.lift(uid) || promised ? 'room' : 'none'
  }

  /** Takes a pod off its node; `restore` puts it back, as if nothing had been. */
  lift(uid: string): Placed | undefined {
    const known = this.#placed.get(uid)
    if (!known) return undefined
    this.#countPriority(known.info.priority, -1)
    this.#byName.get(known.node)?.remove(uid)
    this.#placed.delete(uid)
    this.#recount(known, -1)
    this.attracting.delete(uid)
    const siblings = this.#namespaces.get(known.info.namespace)
    siblings?.delete(uid)
    if (siblings?.size === 0) {
      this.#namespaces.delete(known.info.namespace)
      this.#counters.delete(known.info.namespace)
    }
    return known
  }

  restore({ info, node, assumed }: Placed): void {
    this.#place(info, node, assumed)
  }

  /** Is there any pod that a pod of this priority could be preferred to? */
  hasBelow(priority: number): boolean {
    for (const each of this.#priorities.keys()) if (each < priority) return true
    return false
  }

  #countPriority(priority: number, by: 1 | -1): void {
    const count = (this.#priorities.get(priority) ?? 0) + by
    if (count > 0) this.#priorities.set(priority, count)
    else this.#priorities.delete(priority)
  }

  assume(info: PodInfo, node: string): void {
    this.#place(info, node, true)
  }

  /** The binding failed; a pod that an event has confirmed meanwhile stays. */
  forget(uid: string): void {
    if (this.#placed.get(uid)?.assumed) this.removePod(uid)
  }

  isPlaced(uid: string): boolean {
    return this.#placed.has(uid)
  }

  #place(info: PodInfo, node: string, assumed: boolean): void {
    this.lift(info.uid)
    this.nominations.delete(info.uid)
    const entry = { info, node, assumed }
    this.#placed.set(info.uid, entry)
    this.#countPriority(info.priority, 1)
    const siblings = this.#namespaces.get(info.namespace)
    if (siblings) siblings.set(info.uid, entry)
    else this.#namespaces.set(info.namespace, new Map([[info.uid, entry]]))
    if (info.preferred.length + info.affinity.length > 0) this.attracting.set(info.uid, entry)
    this.#byName.get(node)?.add(info)
    this.#recount(entry, 1)
  }

  /** Nodes per value of a topology label. */
  topology(key: string): Domains {
    let domains = this.#topologies.get(key)
    if (domains) return domains
    domains = new Map()
    for (const { labels } of this.nodes) {
      const value = labels[key]
      if (value !== undefined) domains.set(value, (domains.get(value) ?? 0) + 1)
    }
    this.#topologies.set(key, domains)
    return domains
  }

  /** Pods of a namespace that a constraint counts, per value of its topology, over all nodes; counted once, then kept. */
  domains(namespace: string, constraint: SpreadConstraint): Domains {
    let counters = this.#counters.get(namespace)
    if (!counters) this.#counters.set(namespace, (counters = new Map()))
    const known = counters.get(constraint.id)
    if (known) return known.domains
    // Old templates' constraints would be kept for ever otherwise.
    if (counters.size >= 64) counters.clear()
    const counter = { constraint, domains: new Map<string, number>() }
    counters.set(constraint.id, counter)
    for (const entry of this.placed(namespace)) this.#countInto(counter, entry, 1)
    return counter.domains
  }

  *#everyone(): Iterable<{ info: PodInfo; labels: Record<string, string> | undefined }> {
    for (const { info, node } of this.#placed.values()) yield { info, labels: this.#byName.get(node)?.labels }
  }

  #recount(entry: { info: PodInfo; node: string }, by: 1 | -1): void {
    this.terms.count({ info: entry.info, labels: this.#byName.get(entry.node)?.labels }, by)
    const counters = this.#counters.get(entry.info.namespace)
    if (!counters) return
    for (const counter of counters.values()) this.#countInto(counter, entry, by)
  }

  #countInto(
    { constraint, domains }: { constraint: SpreadConstraint; domains: Domains },
    { info, node }: { info: PodInfo; node: string },
    by: 1 | -1,
  ): void {
    const value = this.#byName.get(node)?.labels[constraint.topologyKey]
    if (value === undefined || info.deleting || !counts(constraint, info)) return
    domains.set(value, (domains.get(value) ?? 0) + by)
  }

  #forgetDomains(): void {
    this.#counters.clear()
    this.#topologies.clear()
    this.terms.forget()
  }
}
