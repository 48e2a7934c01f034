import {
  CustomResourceDefinition,
  isConflict,
  isNotFound,
  type Kube,
  type KubeObject,
  type OwnerReference,
  type ResourceType,
} from '#kube'
import { backoffDelay, type Clock, errorMessage, type Logger } from '#lib'
import { type DiscoveredResource, discover, follow } from '../shared/index.ts'
import { type Decision, decide } from './decide.ts'
import { foreground, Graph, type GraphNode, nameOf, orphan } from './graph.ts'

/** Kinds that nobody owns and that own nobody, and change all the time. */
const ignored = new Set(['events', 'events.events.k8s.io', 'componentstatuses'])
/** CRDs wake it at once; this is for what else may appear. */
const rediscoverMs = 300_000

export interface GarbageCollector {
  /** Resolves when every kind has been listed once: only then is anything deleted. */
  readonly ready: Promise<void>
  readonly stopped: Promise<void>
}

/**
 * Deletes what has lost its owners, in every kind that discovery lists, custom ones included. It follows all kinds itself,
 * since which there are is known only at run time, and keeps no more of an object than who owns it.
 */
export function startGarbageCollector(options: {
  kube: Kube
  signal: AbortSignal
  clock: Clock
  log: Logger
}): GarbageCollector {
  const collector = new Collector(options)
  return { ready: collector.ready, stopped: collector.run() }
}

class Collector {
  readonly #kube: Kube
  readonly #signal: AbortSignal
  readonly #clock: Clock
  readonly #log: Logger
  readonly #graph = new Graph()
  readonly #kinds = new Map<string, { abort: AbortController; type: ResourceType; listed: boolean }>()
  readonly #queue = new Set<string>()
  readonly #attempts = new Map<string, number>()
  /** Owners that the API server denied having; uids never come back. */
  readonly #absent = new Set<string>()
  /** Uids that were seen to go. */
  readonly #gone = new Set<string>()
  readonly #ready = Promise.withResolvers<void>()
  readonly ready = this.#ready.promise
  #open = false
  #running = 0
  #rediscover = () => {}

  constructor({ kube, signal, clock, log }: { kube: Kube; signal: AbortSignal; clock: Clock; log: Logger }) {
    this.#kube = kube
    this.#signal = signal
    this.#clock = clock
    this.#log = log
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const wake = new AbortController()
      this.#rediscover = () => wake.abort()
      let pause = rediscoverMs
      try {
        await this.#discover()
      } catch (error) {
        pause = 1000
        if (!this.#signal.aborted) this.#log.debug({}, `discovery failed: ${errorMessage(error)}`)
      }
      await this.#clock.sleep(pause, AbortSignal.any([this.#signal, wake.signal]))
    }
    for (const { abort } of this.#kinds.values()) abort.abort()
  }

  async #discover(): Promise<void> {
    const { resources, failed } = await discover(this.#kube)
    const wanted = new Map<string, DiscoveredResource>()
    for (const resource of resources) {
      const key = keyOf(resource)
      const usable = ['list', 'watch', 'delete'].every((verb) => resource.verbs.includes(verb))
      if (usable && !ignored.has(key)) wanted.set(key, resource)
    }
    for (const [key, { abort, type }] of this.#kinds) {
      if (wanted.has(key) || failed.some((path) => path.includes(type.group))) continue
      abort.abort()
      this.#kinds.delete(key)
      for (const node of [...this.#graph.nodes.values()]) if (keyOf(node.type) === key) this.#graph.remove(node.uid)
    }
    for (const [key, type] of wanted) if (!this.#kinds.has(key)) this.#follow(key, type)
  }

  #follow(key: string, type: ResourceType): void {
    const kind = { abort: new AbortController(), type, listed: false }
    this.#kinds.set(key, kind)
    const isDefinition = key === keyOf(CustomResourceDefinition)
    void follow(
      this.#kube,
      type,
      {
        list: (objects) => {
          const present = new Set(objects.map(({ metadata }) => metadata.uid))
          for (const object of objects) this.#enqueue(this.#graph.set(type, object))
          for (const node of [...this.#graph.nodes.values()])
            if (keyOf(node.type) === key && !present.has(node.uid)) this.#removed(node.uid)
          kind.listed = true
          this.#openWhenListed()
        },
        set: (object) => {
          this.#enqueue(this.#graph.set(type, object))
          if (isDefinition) this.#rediscover()
        },
        remove: (object) => {
          this.#removed(object.metadata.uid!)
          if (isDefinition) this.#rediscover()
        },
      },
      { signal: AbortSignal.any([this.#signal, kind.abort.signal]), clock: this.#clock, log: this.#log },
    )
  }

  #removed(uid: string): void {
    if (this.#gone.size > 20_000) this.#gone.clear()
    this.#gone.add(uid)
    this.#enqueue(this.#graph.remove(uid))
  }

  #openWhenListed(): void {
    if (this.#open || [...this.#kinds.values()].some(({ listed }) => !listed)) return
    this.#open = true
    this.#ready.resolve()
    // What looked ownerless while its owner's kind was still unread is judged again from the complete picture.
    this.#queue.clear()
    for (const node of this.#graph.nodes.values()) {
      if (node.deleting || node.owners.some((owner) => !this.#graph.isSolid(node, owner))) this.#queue.add(node.uid)
    }
    this.#work()
  }

  #enqueue(uids: readonly string[]): void {
    for (const uid of uids) this.#queue.add(uid)
    if (uids.length > 0) this.#work()
  }

  #work(): void {
    while (this.#open && !this.#signal.aborted && this.#running < 20) {
      const { value: uid, done } = this.#queue.values().next()
      if (done) return
      this.#queue.delete(uid)
      this.#running++
      void this.#judge(uid).finally(() => {
        this.#running--
        this.#work()
      })
    }
  }

  async #judge(uid: string): Promise<void> {
    const node = this.#graph.nodes.get(uid)
    if (!node) return
    try {
      await this.#checkOwners(node)
      const decision = decide(node, this.#graph, (owner) => this.#isAbsent(owner, node))
      if (decision.do !== 'nothing') this.#log.debug({ object: nameOf(node) }, `garbage collector: ${decision.do}`)
      await this.#carryOut(node, decision)
      this.#attempts.delete(uid)
    } catch (error) {
      if (this.#signal.aborted) return
      if (isNotFound(error)) return
      const attempt = this.#attempts.get(uid) ?? 0
      this.#attempts.set(uid, attempt + 1)
      if (!isConflict(error)) this.#log.warn({ object: nameOf(node) }, `garbage collection: ${errorMessage(error)}`)
      this.#clock.after(backoffDelay(attempt, { initial: 20, max: 60_000 }), () => this.#enqueue([uid]))
    }
  }

  /** An owner that no watch has shown is asked for: it may be newer than the watch, or of a kind that is not followed. */
  async #checkOwners(node: GraphNode): Promise<void> {
    if (node.deleting) return
    for (const owner of node.owners) {
      if (this.#graph.owner(node, owner) || this.#isAbsent(owner, node)) continue
      const type = await this.#kube.resolve(owner.apiVersion, owner.kind)
      // A kind that is not served may come back (its CRD is being replaced): better to wait than to delete wrongly.
      if (!type) continue
      const live = await this.#kube.find(type, owner.name, type.namespaced ? node.namespace : undefined)
      const misplaced = type.namespaced && node.namespace === undefined
      if (live?.metadata.uid === owner.uid && !misplaced) continue
      if (this.#absent.size > 5000) this.#absent.clear()
      this.#absent.add(absence(owner, node))
    }
  }

  #isAbsent(owner: OwnerReference, node: GraphNode): boolean {
    return this.#gone.has(owner.uid) || this.#absent.has(absence(owner, node))
  }

  async #carryOut(node: GraphNode, decision: Decision): Promise<void> {
    switch (decision.do) {
      case 'nothing':
        return
      case 'delete':
        if (decision.unblock) await this.#rewriteOwners(node, (owner) => ({ ...owner, blockOwnerDeletion: false }))
        return this.#kube.delete(node.type, node.name, node.namespace, {
          propagationPolicy: decision.policy,
          preconditions: { uid: node.uid },
        })
      case 'dropOwners':
        return this.#rewriteOwners(node, (owner) => (decision.uids.includes(owner.uid) ? undefined : owner))
      case 'orphanDependents':
        await Promise.all(
          decision.dependents.map((dependent) =>
            this.#rewriteOwners(dependent, (owner) => (owner.uid === node.uid ? undefined : owner)),
          ),
        )
        return this.#dropFinalizer(node, orphan)
      case 'release':
        return this.#dropFinalizer(node, foreground)
    }
  }

  async #rewriteOwners(node: GraphNode, map: (owner: OwnerReference) => OwnerReference | undefined): Promise<void> {
    const live = await this.#live(node)
    if (!live) return
    const { resourceVersion, ownerReferences = [] } = live.metadata
    const kept = ownerReferences.map(map).filter((owner) => owner !== undefined)
    await this.#patch(node, { uid: node.uid, resourceVersion, ownerReferences: kept.length > 0 ? kept : null })
  }

  async #dropFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    const live = await this.#live(node)
    if (!live) return
    const { resourceVersion, finalizers = [] } = live.metadata
    const kept = finalizers.filter((name) => name !== finalizer)
    if (kept.length === finalizers.length) return
    await this.#patch(node, { uid: node.uid, resourceVersion, finalizers: kept.length > 0 ? kept : null })
  }

  async #live(node: GraphNode): Promise<KubeObject | undefined> {
    const live = await this.#kube.find(node.type, node.name, node.namespace)
    return live?.metadata.uid === node.uid ? live : undefined
  }

  async #patch({ type, name, namespace }: GraphNode, metadata: object): Promise<void> {
    await this.#kube.patch(type, { name, namespace }, { metadata }, { type: 'merge' })
  }
}

function keyOf({ plural, group }: ResourceType): string {
  return group === '' ? plural : `${plural}.${group}`
}

/** An owner's absence is a fact about one namespace: a reference from the wrong one never finds it. */
function absence(owner: OwnerReference, node: GraphNode): string {
  return `${owner.uid} ${owner.kind} ${owner.name} ${node.namespace ?? ''}`
}
