import type { Kube, KubeObject, objects, ResourceType } from '#kube'
import type { Clock, Logger } from '#lib'

/**
 * The life of a controller, which every controller follows:
 *
 * 1. declared   `controller(Type, {…})`: pure data; RBAC falls out of owns/watches/reads/writes
 * 2. started    one shared reflector per kind lists and watches; the queue stays closed until all have synced
 * 3. enqueued   an event of the primary, an owned or a mapped object puts the primary's key into the queue
 * 4. reconciled one run per key at a time: the steps turn an immutable Axn into the next, effects are data on it
 * 5. settled    effects are carried out in order (deletes, applies, creates, patches, status, events); echoes of declared state dropped
 * 6. requeued   after an error with backoff, or after the `requeueAfter` that a step asked for
 * 7. stopped    the signal aborts: running steps finish, the lease is released
 */
export interface Controller<T extends KubeObject = KubeObject> {
  readonly name: string
  readonly type: ResourceType<T>
  readonly options: ControllerOptions<T>
  readonly steps: readonly Step<T>[]
  /** Adds a step; steps run in order until one halts. */
  step(name: string, run: StepFunction<T>): Controller<T>
  /** Adds a finalizer and runs `run` while the object is being deleted; the finalizer goes when it returns without requeue. */
  finalize(finalizer: string, run: StepFunction<T>): Controller<T>
}

export type StepFunction<T extends KubeObject> = (axn: Axn<T>) => Axn<T> | Promise<Axn<T>>
export interface Step<T extends KubeObject> {
  readonly name: string
  readonly run: StepFunction<T>
  readonly finalizer?: string
}

export interface ControllerOptions<T extends KubeObject = KubeObject> {
  /** Unique; also the field manager. @default lower-case kind */
  name?: string
  /** Kinds whose objects carry an ownerReference (controller: true) to the primary; a change enqueues the owner. */
  owns?: readonly ResourceType<any>[]
  /** Other kinds whose changes enqueue primaries. `map` gets the object (and its previous version, when there was one). */
  watches?: readonly Watch[]
  /** Kinds that steps read with axn.read(); they get a reflector and RBAC. owns and watches are readable anyway. */
  reads?: readonly ResourceType<any>[]
  /** Further kinds that steps write. */
  writes?: readonly ResourceType<any>[]
  /** What steps do with axn.kube beyond all of that (subresources, lists of what is only written), as RBAC says it. */
  rights?: readonly objects.PolicyRule[]
  /** Parallel reconciles over all keys. @default 4 */
  concurrency?: number
  /** Enqueue the primary only when this is true for a change. Deletions always count. */
  filter?: (object: T, previous: T | undefined) => boolean
  /** ms after which a pass is given up: its effects are dropped and the key is tried again. @default 600000 */
  timeout?: number
}

export interface Watch<W extends KubeObject = any> {
  type: ResourceType<W>
  map: (object: W, lister: Lister) => Iterable<{ name: string; namespace?: string }>
}

/** Reads from the shared caches: no API call, no await. Objects are shared views: never write to them (testAxn and `freeze` make that throw). */
export interface Lister {
  get<T extends KubeObject>(type: ResourceType<T>, name: string, namespace?: string): T | undefined
  list<T extends KubeObject>(
    type: ResourceType<T>,
    options?: {
      namespace?: string
      labels?: Record<string, string>
      selector?: { matchLabels?: Record<string, string>; matchExpressions?: any[] }
    },
  ): T[]
  /** Objects of a kind whose controller ownerReference has this uid; by index. */
  owned<T extends KubeObject>(type: ResourceType<T>, uid: string): T[]
}

export interface ObjectRef {
  type: ResourceType<any>
  name: string
  namespace?: string
}

/** What a step wants done. Carried out after the last step, in this order of kinds, in the order given within one. */
export type Effect =
  | {
      do: 'delete'
      ref: ObjectRef
      uid?: string
      gracePeriodSeconds?: number
      propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
    }
  /** `child`: made by axn.child(), so it is pruned when a later pass no longer names it. */
  | { do: 'apply'; type: ResourceType<any>; object: KubeObject; force: boolean; child?: true }
  | { do: 'create'; type: ResourceType<any>; object: KubeObject }
  | { do: 'patch'; ref: ObjectRef; patch: object; patchType: 'merge' | 'json' | 'strategic'; subresource?: string }
  | { do: 'run'; what: string; run: (kube: Kube) => Promise<void> }

/** An Event that a step asked for. */
export interface StepEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly about: KubeObject
}

/** The immutable token that steps pass on. Each method returns a new Axn. */
export interface Axn<T extends KubeObject = KubeObject> {
  /** The primary, from the cache. Never write to it. */
  readonly object: T
  readonly name: string
  readonly namespace: string | undefined
  /** metadata.deletionTimestamp is set. */
  readonly deleting: boolean
  readonly clock: Clock
  readonly log: Logger
  readonly lister: Lister
  /** For the rare live read; writes belong into effects. What is written with it is in the lister once answered. */
  readonly kube: Kube
  readonly effects: readonly Effect[]
  readonly halted: boolean
  /** The whole status after this pass; undefined when no step touched it. */
  readonly nextStatus: Record<string, any> | undefined
  readonly events: readonly StepEvent[]
  /** ms until the next pass; undefined when no step asked for one. */
  readonly requeue: number | undefined
  /** The finalizers after this pass, when it changes them (controllers with `finalize`). */
  readonly finalizers: readonly string[] | undefined

  /** Server-side applies a child: ownerReference and namespace are added. Children that a later pass no longer names are pruned (only kinds in `owns`, only those once applied by this controller; never by a pass that halted). Does nothing while the primary is being deleted: its children go with it. */
  child(type: ResourceType<any>, object: { metadata: { name: string } } & Record<string, any>): Axn<T>
  /** Server-side applies any object as it is. */
  apply(type: ResourceType<any>, object: KubeObject, options?: { force?: boolean }): Axn<T>
  /** POSTs an object (generateName works); ownerReference is added when `owned` is true (default). AlreadyExists is not an error. */
  create(type: ResourceType<any>, object: Record<string, any>, options?: { owned?: boolean }): Axn<T>
  patch(
    ref: ObjectRef,
    patch: object,
    options?: { type?: 'merge' | 'json' | 'strategic'; subresource?: string },
  ): Axn<T>
  /** NotFound is not an error. */
  delete(
    ref: ObjectRef,
    options?: { uid?: string; gracePeriodSeconds?: number; propagationPolicy?: 'Foreground' | 'Background' | 'Orphan' },
  ): Axn<T>
  /** Any other effect on the cluster, named for the log. */
  run(what: string, run: (kube: Kube) => Promise<void>): Axn<T>
  /** Replaces the given top-level fields of status (undefined removes one). Written only when status really changes; starts no pass by itself, so a step that goes on from its own status asks for requeueAfter(0). */
  status(fields: Record<string, any>): Axn<T>
  /** Sets status.conditions[type]; lastTransitionTime moves only when status changes, observedGeneration is filled. */
  condition(type: string, status: boolean | 'Unknown', reason: string, message?: string): Axn<T>
  /** Records a Kubernetes Event about the primary (or `about`). Equal ones are counted, not repeated. */
  event(reason: string, message: string, options?: { type?: 'Normal' | 'Warning'; about?: KubeObject }): Axn<T>
  /** Reconcile again after `ms`, whatever happens; the shortest wins. */
  requeueAfter(ms: number): Axn<T>
  /** No later step runs; effects so far are carried out. */
  halt(): Axn<T>
}

export interface OperatorOptions {
  kube: Kube
  controllers: readonly Controller<any>[]
  signal: AbortSignal
  clock?: Clock
  log?: Logger
  /** Lead through a Lease of this name; undefined = always lead. */
  lease?: { name: string; namespace: string; identity: string }
  /** Only this namespace's objects are seen (cluster-scoped kinds as always). @default all namespaces */
  namespace?: string
  /** Shrinks objects before they enter the caches (after managedFields and last-applied are dropped); may change its argument. */
  transform?: (type: ResourceType<any>, object: KubeObject) => KubeObject
  /** Deep-freezes cached objects, so that a step that writes to one throws; costs time per event. testAxn always does. @default false */
  freeze?: boolean
  /** Longest pause between attempts to reach a server that is away, ms. Short where it is on the same machine. @default 30 s */
  maxRetryMs?: number
}

export interface Operator {
  /** Resolves when all caches have synced and the controllers run (we lead); rejects when stopped before. */
  readonly ready: Promise<void>
  /** Resolves when stopped and drained. */
  readonly stopped: Promise<void>
  readonly lister: Lister
  /** Cheap enough to be asked often. */
  health(): {
    /** Every cache has synced. */
    ready: boolean
    /** Every reflector has heard of the server within twice its inactivity time (140 s). */
    live: boolean
    /** Per kind (`Pod`, `Deployment.apps`): `lastSeen` in ms since the server was heard of; `error` while it is not. */
    reflectors: Record<string, { synced: boolean; lastSeen: number; error?: string }>
    /** Keys that wait for a worker, per controller. */
    queues: Record<string, number>
  }
}
