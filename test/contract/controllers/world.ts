import {
  apiVersionOf,
  ConfigMap,
  compareResourceVersions,
  controllerOf,
  isNotFound,
  type Kube,
  type KubeObject,
  Namespace,
  Node,
  type objects,
  Pod,
  type ResourceType,
  ServiceAccount,
} from '#kube'
import { errorMessage } from '#lib'
import type { Hollow, NodeOptions, Order } from '../hollow/index.ts'
import { type Frame, frameOf, Hashes } from './frame.ts'
import { compared, watched } from './kinds.ts'
import type { Metrics } from './metrics.ts'

/** How long a frame may take to become what is expected, ms. */
const patienceMs = 60_000
/** A cluster in which nothing happened for so long has come to rest, ms. */
const calmMs = 150
const pollMs = 20

export interface WorldOptions {
  /** Of the cluster, for messages. */
  cluster: string
  kube: Kube
  hollow: Hollow
  namespace: string
  /** What autoscalers read, of both clusters. */
  metrics: Metrics
  /** Reached the frame of this label. */
  meet: (world: World, label: string) => Promise<void>
}

/** One scenario's part of one cluster: a namespace, nodes, and pods that do as they are told. */
export class World {
  readonly ns: string
  readonly kube: Kube
  readonly hollow: Hollow
  readonly #options: WorldOptions
  readonly #hashes = new Hashes()
  readonly #later: (() => Promise<unknown>)[] = []
  #looked: { versions: string; frame: Frame } | undefined
  #kinds: readonly ResourceType<any>[] = compared
  #edit: (object: any) => unknown = (object) => object

  constructor(options: WorldOptions) {
    this.#options = options
    this.ns = options.namespace
    this.kube = options.kube
    this.hollow = options.hollow
  }

  async begin(): Promise<void> {
    const metadata = { name: this.ns }
    await this.kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata } as any)
    this.later(() => this.kube.delete(Namespace, this.ns))
    await this.until('its ServiceAccount', () => this.find(ServiceAccount, 'default') !== undefined)
    await this.until('its ConfigMap', () => this.find(ConfigMap, 'kube-root-ca.crt') !== undefined)
  }

  async finish(): Promise<void> {
    for (const undo of this.#later.reverse())
      await undo().catch((error) => {
        if (!isNotFound(error)) throw error
      })
  }

  /** Gives an External metric of this namespace a value. */
  metric(name: string, value: number): void {
    this.#options.metrics.set(this.ns, name, value)
  }

  /** Undone at the end. */
  later(undo: () => Promise<unknown>): void {
    this.#later.push(undo)
  }

  /** What of the namespace is compared. @default all of `compared` */
  compare(kinds: readonly ResourceType<any>[], edit: (object: any) => unknown = (object) => object): void {
    this.#kinds = kinds
    this.#edit = edit
  }

  /** A node on which only this scenario's pods go (they have it in their nodeSelector). */
  async node(name = 'node', options: NodeOptions = {}): Promise<string> {
    const full = `${this.ns}-${name}`
    await this.hollow.nodes.add(full, { ...options, labels: { scenario: this.ns, ...options.labels } })
    this.later(async () => {
      this.hollow.nodes.silence(full)
      await this.kube.delete(Node, full)
    })
    const settled = () => {
      const taints = this.hollow.lister.get(Node, full)?.spec?.taints ?? []
      return taints.every(({ key }) => !key.startsWith('node.kubernetes.io/'))
    }
    await this.until(`node ${name} to be taken in`, () => this.hollow.lister.get(Node, full) !== undefined && settled())
    return full
  }

  create<T extends KubeObject>(type: ResourceType<T>, object: object): Promise<T> {
    const namespace = type.namespaced ? { namespace: this.ns } : {}
    const { metadata } = object as KubeObject
    const whole = {
      ...object,
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      metadata: { ...metadata, ...namespace },
    }
    return this.kube.create(type, whole as any)
  }

  /** Resolves when the change, or what came of it, is there to be looked at: frames are not to be of the time before. */
  async patch(type: ResourceType<any>, name: string, patch: object, subresource?: string): Promise<any> {
    const ref = { name, ...(type.namespaced && { namespace: this.ns }) }
    const written = await this.kube.patch(type, ref, patch, subresource ? { subresource } : {})
    const { resourceVersion } = written.metadata
    const seen = () => {
      const found = this.find<KubeObject>(type, name)
      return !found || compareResourceVersions(found.metadata.resourceVersion, resourceVersion) >= 0
    }
    if (watched.includes(type)) await this.until(`the change of ${type.kind} ${name} to be seen`, seen)
    return written
  }

  scale(type: ResourceType<any>, name: string, replicas: number): Promise<any> {
    return this.patch(type, name, { spec: { replicas } }, 'scale')
  }

  delete(
    type: ResourceType<any>,
    name: string,
    propagationPolicy: 'Foreground' | 'Background' | 'Orphan' = 'Background',
  ): Promise<void> {
    return this.kube.delete(type, name, this.ns, { propagationPolicy })
  }

  list<T extends KubeObject>(type: ResourceType<T>): T[] {
    return this.hollow.lister
      .list(type, type.namespaced ? { namespace: this.ns } : { labels: { scenario: this.ns } })
      .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  }

  /** Waits until what is created from now on is younger than all objects of a kind: creation times have whole seconds. */
  async nextSecond(type: ResourceType<any>): Promise<void> {
    const newest = Math.max(...this.list(type).map(({ metadata }) => Date.parse(metadata.creationTimestamp!)))
    await this.until('the next second', () => Date.now() >= newest + 1000)
  }

  find<T extends KubeObject>(type: ResourceType<T>, name: string): T | undefined {
    return this.hollow.lister.get(type, name, type.namespaced ? this.ns : undefined)
  }

  /** Pods that are not leaving: those of an owner, of an image, in a state. */
  pods(which: { of?: string; image?: string; ready?: boolean; phase?: string; leaving?: boolean } = {}): objects.Pod[] {
    const { of, image, ready, phase, leaving = false } = which
    return this.list(Pod).filter(
      (pod) =>
        (pod.metadata.deletionTimestamp !== undefined) === leaving &&
        (of === undefined ||
          controllerOf(pod)?.name.replace(/-[a-z0-9]+$/, '') === of ||
          controllerOf(pod)?.name === of) &&
        (image === undefined || pod.spec?.containers[0].image === image) &&
        (phase === undefined || pod.status?.phase === phase) &&
        (ready === undefined || isReady(pod) === ready),
    )
  }

  /** Tells the first `count` pods of a kind what to do. */
  async tell(order: Order, which: Parameters<World['pods']>[0], count = Number.POSITIVE_INFINITY): Promise<void> {
    const chosen = this.pods(which).slice(0, count)
    if (chosen.length === 0) throw new Error(`no pod to be told "${order}": ${JSON.stringify(which)}`)
    await Promise.all(chosen.map((pod) => this.hollow.tell(pod, order)))
  }

  /**
   * Waits until the world is at rest and as expected, and compares it with the other cluster's at the same moment of the
   * story. Fails when what is expected does not come.
   */
  async frame(label: string, expected: () => unknown = () => true): Promise<void> {
    await this.until(label, expected)
    await this.#rest()
    await this.#options.meet(this, label)
    await this.until(`${label}, still`, expected)
  }

  /** What there is, as it is compared. */
  look(): Frame {
    const objects = this.#kinds.flatMap((type) => this.list(type))
    const versions = objects.map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`).join()
    if (this.#looked?.versions !== versions) this.#looked = { versions, frame: this.#frame(objects) }
    return this.#looked.frame
  }

  #frame(objects: readonly KubeObject[]): Frame {
    this.#hashes.learn(objects)
    const edited = objects.map((object) => this.#edit(object) as KubeObject | undefined)
    return frameOf(
      edited.filter((object) => object !== undefined),
      this.#hashes,
    )
  }

  async until(what: string, met: () => unknown, patience = patienceMs): Promise<void> {
    const deadline = Date.now() + patience
    for (;;) {
      let problem = ''
      try {
        if (met()) return
      } catch (error) {
        problem = `: ${errorMessage(error)}`
      }
      if (Date.now() > deadline)
        throw new Error(`${this.#options.cluster}: in vain waited for ${what}${problem}\n${this.summary()}`)
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }

  /** What there is, in a line each, for messages. */
  summary(): string {
    return this.#kinds
      .flatMap((type) => this.list(type))
      .map((object) => {
        const { conditions, ...status } = object['status'] ?? {}
        const shown = object.kind === 'Pod' ? { phase: status.phase, ready: isReady(object as any) } : status
        const met = conditions?.map((one: any) => `${one.type}=${one.status} ${one.reason ?? ''}`).join(', ')
        return `  ${object.kind} ${object.metadata.name} ${JSON.stringify(shown)} ${object.kind === 'Pod' ? '' : (met ?? '')}`
      })
      .join('\n')
  }

  async #rest(): Promise<void> {
    let before = ''
    let since = Date.now()
    while (Date.now() - since < calmMs) {
      const now = compared.flatMap((type) => this.list(type).map(({ metadata }) => metadata.resourceVersion)).join()
      if (now !== before) since = Date.now()
      before = now
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }
}

export function isReady(pod: objects.Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
