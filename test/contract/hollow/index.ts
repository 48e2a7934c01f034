/**
 * A small kubelet without containers, over the API alone, so that controllers and schedulers have nodes to work with on any
 * control plane. Pods are up or exit as they are told.
 */
import { compareResourceVersions, isConflict, isNotFound, type Kube, type objects, Pod, type ResourceType } from '#kube'
import { type Clock, equal, type Logger } from '#lib'
import { type Controller, controller, type Lister, startOperator } from '#operator'
import { end, type Life, type Order, obey, statusOf } from './life.ts'
import { Nodes } from './nodes.ts'

export type { Order } from './life.ts'
export type { NodeOptions } from './nodes.ts'

/** Annotation of what a pod does from the start: an Order. Without it: `ready`. */
export const doesAnnotation = 'hollow.example.com/does'
/** Annotation of a pod that stays when it is deleted until it is released. */
export const lingersAnnotation = 'hollow.example.com/lingers'

/** Between being bound and being up, and between being deleted and being gone, ms. */
const delayMs = 15
/** How soon a kubelet that is back looks after its pods, ms. */
const silentMs = 500

export interface Hollow {
  readonly nodes: Nodes
  readonly lister: Lister
  readonly ready: Promise<void>
  readonly stopped: Promise<void>
  /** Resolves when the pod's status says so, in the lister as well. */
  tell(pod: objects.Pod, order: Order): Promise<void>
  /** Lets a pod that lingers go. */
  release(pod: objects.Pod): Promise<void>
}

/** `watch` are the kinds that its lister shall have beside pods. */
export function startHollow(options: {
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
  watch: readonly ResourceType<any>[]
}): Hollow {
  const { kube, clock, log, signal } = options
  const kubelet = new Kubelet(kube, clock)
  const controllers = [kubelet.controller(options.watch)]
  const operator = startOperator({ kube, controllers, signal, clock, log, maxRetryMs: 500 })
  const beating = kubelet.nodes.beat(signal)
  return {
    nodes: kubelet.nodes,
    lister: operator.lister,
    ready: operator.ready,
    stopped: Promise.all([operator.stopped, beating]).then(() => {}),
    async tell(pod, order) {
      const version = await kubelet.tell(pod, order)
      const seen = () => operator.lister.get(Pod, pod.metadata.name!, pod.metadata.namespace)?.metadata.resourceVersion
      while (version && seen() && compareResourceVersions(seen(), version) < 0) await clock.sleep(5, signal)
    },
    release: (pod) => kubelet.release(pod),
  }
}

class Kubelet {
  readonly nodes: Nodes
  readonly #kube: Kube
  readonly #clock: Clock
  readonly #lives = new Map<string, Life>()
  #addresses = 0

  constructor(kube: Kube, clock: Clock) {
    this.#kube = kube
    this.#clock = clock
    this.nodes = new Nodes(kube, clock)
  }

  controller(reads: readonly ResourceType<any>[]): Controller<any> {
    const filter = (pod: objects.Pod) => pod.spec?.nodeName !== undefined
    return controller(Pod, { name: 'hollow-kubelet', reads, concurrency: 32, filter }).step('live', (axn) => {
      const pod = axn.object as objects.Pod
      const host = this.nodes.addressOf(pod.spec?.nodeName ?? '')
      if (host === undefined) return axn.requeueAfter(silentMs)
      const due = this.#dueIn(pod)
      if (due > 0) return axn.requeueAfter(due)
      const over = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'
      if (over && !pod.metadata.deletionTimestamp) return axn
      if (!pod.metadata.deletionTimestamp) return axn.status(statusOf(pod, this.#life(pod), host, axn.clock.now()))
      if (pod.metadata.annotations?.[lingersAnnotation] !== undefined) return axn
      return axn.run('end the pod', () => this.#end(pod, host))
    })
  }

  /** The version that tells of it; undefined when nothing changed. */
  async tell(pod: objects.Pod, order: Order): Promise<string | undefined> {
    this.#lives.set(pod.metadata.uid!, obey(this.#life(pod), order, pod, this.#clock.now()))
    return this.#report(pod, this.nodes.addressOf(pod.spec?.nodeName ?? '') ?? '')
  }

  async release(pod: objects.Pod): Promise<void> {
    await this.#end(pod, this.nodes.addressOf(pod.spec?.nodeName ?? '') ?? '')
  }

  /** A kubelet reports the end before it lets the object go, without further grace. */
  async #end(pod: objects.Pod, host: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata
    this.#lives.set(uid!, end(this.#life(pod), this.#clock.now()))
    try {
      await this.#report(pod, host)
      await this.#kube.delete(Pod, name!, namespace, { gracePeriodSeconds: 0, preconditions: { uid: uid! } })
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error
    }
    this.#lives.delete(uid!)
  }

  async #report(pod: objects.Pod, host: string): Promise<string | undefined> {
    const { name, namespace, uid } = pod.metadata
    for (let attempt = 0; ; attempt++) {
      const live = await this.#kube.get(Pod, name!, namespace)
      if (live.metadata.uid !== uid) return undefined
      const status = statusOf(live, this.#life(pod), host, this.#clock.now())
      if (equal({ ...live.status, ...status }, live.status)) return undefined
      const { resourceVersion } = live.metadata
      try {
        const patch = { metadata: { resourceVersion }, status }
        const written = await this.#kube.patch(Pod, { name: name!, namespace }, patch, { subresource: 'status' })
        return written.metadata.resourceVersion
      } catch (error) {
        if (!isConflict(error) || attempt > 20) throw error
      }
    }
  }

  #life(pod: objects.Pod): Life {
    const uid = pod.metadata.uid!
    let life = this.#lives.get(uid)
    if (!life) {
      const address = this.#addresses++
      const born: Life = { state: 'pending', restarts: 0, podIP: `10.244.${address >> 8}.${address & 255}` }
      const does = (pod.metadata.annotations?.[doesAnnotation] as Order) ?? 'ready'
      life = obey(born, does, pod, this.#clock.now())
      this.#lives.set(uid, life)
    }
    return life
  }

  /** ms until a pod may be touched: work takes a moment. */
  #dueIn(pod: objects.Pod): number {
    const now = this.#clock.monotonic()
    const key = `${pod.metadata.uid} ${pod.metadata.deletionTimestamp ? 'end' : 'begin'}`
    const seen = this.#seen.get(key) ?? now
    this.#seen.set(key, seen)
    return seen + delayMs - now
  }
  readonly #seen = new Map<string, number>()
}
