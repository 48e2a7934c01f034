import { apiVersionOf, type Kube, type KubeObject, ownerReference, type ResourceType } from '#kube'
import { type Clock, CuddleError, type Logger, rfc3339 } from '#lib'
import type { Axn, Effect, Lister, ObjectRef, StepEvent } from './types.ts'

/** What a pass is given. */
export interface AxnContext<T extends KubeObject> {
  readonly type: ResourceType<T>
  readonly object: T
  readonly controller: string
  readonly clock: Clock
  readonly log: Logger
  readonly lister: Lister
  readonly kube: Kube
}

/** What its steps have asked for so far. */
interface Wishes {
  readonly effects: readonly Effect[]
  readonly halted: boolean
  readonly nextStatus: Record<string, any> | undefined
  readonly events: readonly StepEvent[]
  readonly requeue: number | undefined
  readonly finalizers: readonly string[] | undefined
}

/** Marks a child with the controller that applied it: only such objects are ever pruned. */
export const childAnnotation = 'operator.cuddle.dev/child-of'

const nothing: Wishes = {
  effects: [],
  halted: false,
  nextStatus: undefined,
  events: [],
  requeue: undefined,
  finalizers: undefined,
}

/** The token of the Axn contract; a copy per wish. */
export class Token<T extends KubeObject> implements Axn<T> {
  readonly #context: AxnContext<T>
  readonly #wishes: Wishes

  constructor(context: AxnContext<T>, wishes: Wishes = nothing) {
    this.#context = context
    this.#wishes = wishes
  }

  get object(): T {
    return this.#context.object
  }
  get name(): string {
    return this.object.metadata.name ?? ''
  }
  get namespace(): string | undefined {
    return this.object.metadata.namespace
  }
  get deleting(): boolean {
    return this.object.metadata.deletionTimestamp !== undefined
  }
  get clock(): Clock {
    return this.#context.clock
  }
  get log(): Logger {
    return this.#context.log
  }
  get lister(): Lister {
    return this.#context.lister
  }
  get kube(): Kube {
    return this.#context.kube
  }
  get effects(): readonly Effect[] {
    return this.#wishes.effects
  }
  get halted(): boolean {
    return this.#wishes.halted
  }
  get nextStatus(): Record<string, any> | undefined {
    return this.#wishes.nextStatus
  }
  get events(): readonly StepEvent[] {
    return this.#wishes.events
  }
  get requeue(): number | undefined {
    return this.#wishes.requeue
  }
  get finalizers(): readonly string[] | undefined {
    return this.#wishes.finalizers
  }

  /** A copy with some wishes set; for the framework. */
  with(wishes: Partial<Wishes>): Token<T> {
    return new Token(this.#context, { ...this.#wishes, ...wishes })
  }

  child(type: ResourceType<any>, object: { metadata: { name: string } } & Record<string, any>): Axn<T> {
    if (this.deleting) return this
    const child = this.#owned(type, object)
    const annotations = { ...child.metadata.annotations, [childAnnotation]: this.#context.controller }
    child.metadata = { ...child.metadata, annotations }
    return this.#effect({ do: 'apply', type, object: child, force: true, child: true })
  }

  apply(type: ResourceType<any>, object: KubeObject, { force = true }: { force?: boolean } = {}): Axn<T> {
    return this.#effect({ do: 'apply', type, object, force })
  }

  create(type: ResourceType<any>, object: Record<string, any>, { owned = true }: { owned?: boolean } = {}): Axn<T> {
    return this.#effect({ do: 'create', type, object: owned ? this.#owned(type, object) : this.#placed(type, object) })
  }

  patch(
    ref: ObjectRef,
    patch: object,
    { type = 'merge', subresource }: { type?: 'merge' | 'json' | 'strategic'; subresource?: string } = {},
  ): Axn<T> {
    return this.#effect({ do: 'patch', ref, patch, patchType: type, ...(subresource && { subresource }) })
  }

  delete(ref: ObjectRef, options: Parameters<Axn<T>['delete']>[1] = {}): Axn<T> {
    return this.#effect({ do: 'delete', ref, ...options })
  }

  run(what: string, run: (kube: Kube) => Promise<void>): Axn<T> {
    return this.#effect({ do: 'run', what, run })
  }

  status(fields: Record<string, any>): Axn<T> {
    const nextStatus = { ...this.#status() }
    for (const [field, value] of Object.entries(fields)) {
      if (value === undefined) delete nextStatus[field]
      else nextStatus[field] = value
    }
    return this.with({ nextStatus })
  }

  condition(type: string, status: boolean | 'Unknown', reason: string, message = ''): Axn<T> {
    const value = status === 'Unknown' ? status : status ? 'True' : 'False'
    const before: readonly Record<string, any>[] = this.#status()['conditions'] ?? []
    const old = before.find((condition) => condition['type'] === type)
    const { generation } = this.object.metadata
    const next = {
      type,
      status: value,
      reason,
      message,
      lastTransitionTime: old?.['status'] === value ? old['lastTransitionTime'] : rfc3339(this.clock.now()),
      ...(generation !== undefined && { observedGeneration: generation }),
    }
    const conditions = old ? before.map((condition) => (condition === old ? next : condition)) : [...before, next]
    return this.status({ conditions })
  }

  event(
    reason: string,
    message: string,
    { type = 'Normal', about = this.object }: { type?: 'Normal' | 'Warning'; about?: KubeObject } = {},
  ): Axn<T> {
    return this.with({ events: [...this.events, { type, reason, message, about }] })
  }

  requeueAfter(ms: number): Axn<T> {
    return this.with({ requeue: Math.min(this.requeue ?? Number.POSITIVE_INFINITY, Math.max(0, ms)) })
  }

  halt(): Axn<T> {
    return this.with({ halted: true })
  }

  #status(): Record<string, any> {
    return this.nextStatus ?? (this.object as KubeObject)['status'] ?? {}
  }

  #effect(effect: Effect): Token<T> {
    return this.with({ effects: [...this.effects, effect] })
  }

  #placed(type: ResourceType<any>, object: Record<string, any>): KubeObject {
    const namespace = type.namespaced ? (object['metadata']?.namespace ?? this.namespace) : undefined
    const metadata = { ...object['metadata'], ...(namespace && { namespace }) }
    return { ...object, apiVersion: apiVersionOf(type), kind: type.kind, metadata }
  }

  #owned(type: ResourceType<any>, object: Record<string, any>): KubeObject {
    const placed = this.#placed(type, object)
    // the garbage collector deletes what refers to an owner of another namespace (KEP: owner references)
    if (this.namespace && placed.metadata.namespace !== this.namespace) {
      const name = `${type.kind} ${placed.metadata.name ?? placed.metadata.generateName}`
      throw new CuddleError('foreign-child', `${name} cannot be owned by an object in namespace ${this.namespace}`, {
        hint: 'use apply(), or create() with owned: false, and clean up in a finalizer',
      })
    }
    const reference = ownerReference({
      ...this.object,
      apiVersion: apiVersionOf(this.#context.type),
      kind: this.#context.type.kind,
    })
    const others = (placed.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== reference.uid)
    return { ...placed, metadata: { ...placed.metadata, ownerReferences: [...others, reference] } }
  }
}
