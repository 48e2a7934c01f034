import {
  ApiError,
  controllerOf,
  isConflict,
  type Kube,
  type KubeObject,
  keyOf,
  parseKey,
  type ResourceType,
} from '#kube'
import { type Clock, errorMessage, type Logger } from '#lib'
import { Token } from './axn.ts'
import type { Cache, Change } from './cache.ts'
import { reconcileOnce } from './controller.ts'
import type { EventRecorder } from './events.ts'
import { observedKube } from './observed.ts'
import { type Outcome, WorkQueue } from './queue.ts'
import { settle } from './settle.ts'
import { kindKey, kindKeyOf } from './store.ts'
import type { Axn, Controller, Lister, Watch } from './types.ts'

export interface RunnerOptions {
  controller: Controller<any>
  kube: Kube
  clock: Clock
  log: Logger
  lister: Lister
  cacheOf: (type: ResourceType<any>) => Cache | undefined
  recorder: EventRecorder
}

/** One pass over one key: the author of its writes. */
interface Pass {
  readonly runner: Runner
  readonly key: string
}

const defaultTimeoutMs = 600_000

/** Runs one controller: turns changes into keys, and keys into passes. */
export class Runner {
  readonly controller: Controller<any>
  readonly queue: WorkQueue
  readonly #options: RunnerOptions
  readonly #log: Logger
  /** Per primary that has children: what they were last applied as. */
  readonly #applied = new Map<string, Map<string, string>>()
  /** The passes under way. */
  readonly #passes = new Set<AbortController>()

  constructor(options: RunnerOptions) {
    this.#options = options
    this.controller = options.controller
    this.#log = options.log.child({ controller: options.controller.name })
    this.queue = new WorkQueue({
      clock: options.clock,
      concurrency: options.controller.options.concurrency ?? 4,
      run: (key) => this.#run(key),
    })
  }

  /** What each kind's changes mean to this controller. */
  listeners(): { type: ResourceType<any>; hear: (change: Change<any>) => void }[] {
    const { owns = [], watches = [] } = this.controller.options
    return [
      { type: this.controller.type, hear: (change) => this.#primary(change) },
      ...owns.map((type) => ({ type, hear: (change: Change) => this.#owned(change) })),
      ...watches.map((watch) => ({ type: watch.type, hear: (change: Change) => this.#mapped(watch, change) })),
    ]
  }

  start(): void {
    this.queue.resume()
  }

  /** Starts nothing more; passes under way may finish within `graceMs`, then their writes are cut off. */
  async stop(graceMs: number): Promise<void> {
    this.queue.pause()
    const cancel = this.#options.clock.after(graceMs, () => {
      for (const pass of this.#passes) pass.abort(new Error('cut off: the operator stops'))
    })
    await this.queue.settled()
    cancel()
  }

  #primary({ object, previous, listed, author }: Change<any>): void {
    const key = keyOf(object ?? previous)
    if (this.#wrote(author, key)) return
    const { filter } = this.controller.options
    const deletion = !object || (object.metadata.deletionTimestamp && !previous?.metadata.deletionTimestamp)
    if (!deletion && filter && !filter(object, previous)) return
    this.queue.add(key, listed && !previous ? 'low' : 'high')
  }

  #owned({ object, previous, listed, author }: Change): void {
    const { type } = this.controller
    const owners = new Set<string>()
    for (const version of [object, previous]) {
      const owner = version && controllerOf(version)
      if (owner && kindKeyOf(owner) === kindKey(type))
        owners.add(keyOf({ name: owner.name, namespace: type.namespaced ? version.metadata.namespace : undefined }))
    }
    for (const key of owners) if (!this.#wrote(author, key)) this.queue.add(key, listed && !previous ? 'low' : 'high')
  }

  #mapped(watch: Watch, { object, previous, listed, author }: Change): void {
    for (const version of [object, previous])
      for (const ref of version ? watch.map(version, this.#options.lister) : []) {
        const key = keyOf({ name: ref.name, namespace: this.controller.type.namespaced ? ref.namespace : undefined })
        if (!this.#wrote(author, key)) this.queue.add(key, listed && !previous ? 'low' : 'high')
      }
  }

  #wrote(author: object | undefined, key: string): boolean {
    const pass = author as Pass | undefined
    return pass?.runner === this && pass.key === key
  }

  async #run(key: string): Promise<Outcome> {
    const { clock, lister } = this.#options
    const { type, options } = this.controller
    const { name, namespace } = parseKey(key)
    const object = lister.get<KubeObject>(type, name, namespace)
    if (!object) {
      this.#applied.delete(key)
      return undefined
    }
    const log = this.#log.child({ key })
    const ending = new AbortController()
    this.#passes.add(ending)
    const timeout = options.timeout ?? defaultTimeoutMs
    const cancel = clock.after(timeout, () => ending.abort(new Error(`gave up after ${timeout} ms`)))
    try {
      const axn = await untilAborted(this.#pass(key, object, log, ending.signal), ending.signal)
      return axn.requeue === undefined ? undefined : { after: axn.requeue }
    } catch (error) {
      this.#report(error, log)
      return 'retry'
    } finally {
      cancel()
      this.#passes.delete(ending)
      // whatever the steps still have under way is for nobody
      ending.abort()
    }
  }

  async #pass(key: string, object: KubeObject, log: Logger, signal: AbortSignal): Promise<Axn<any>> {
    const { clock, lister, cacheOf, recorder } = this.#options
    const { controller } = this
    const author: Pass = { runner: this, key }
    let primary = object
    const onWritten = (written: KubeObject) => {
      if (written.metadata.uid === object.metadata.uid) primary = written
    }
    const observed = { kube: this.#options.kube, cacheOf, onWritten, fieldManager: controller.name, clock, signal }
    // what a step does by hand may be a move in a game of its own: it hears of that; of its declared state it need not
    const kube = observedKube({ ...observed, author: undefined })
    const quiet = observedKube({ ...observed, author })
    const context = { type: controller.type, object, controller: controller.name, clock, log, lister, kube }
    const axn = await reconcileOnce(controller, new Token<any>(context))
    signal.throwIfAborted()
    const applied = this.#applied.get(key) ?? new Map<string, string>()
    const cached = (type: ResourceType<any>, name: string, namespace: string | undefined) =>
      cacheOf(type)?.store.get(name, namespace)
    await settle({ controller, axn, kube, quiet, primary: () => primary, lister, cached, signal, applied })
    if (applied.size > 0) this.#applied.set(key, applied)
    else this.#applied.delete(key)
    for (const event of axn.events) recorder.record(controller.name, event)
    return axn
  }

  #report(error: unknown, log: Logger): void {
    // we were not up to date: the change that made it so is on its way, and so is the next pass
    if (isConflict(error)) log.debug({}, `conflict, trying again: ${errorMessage(error)}`)
    else if (error instanceof ApiError) log.warn({ code: error.code, reason: error.reason }, errorMessage(error))
    else log.error({ stack: (error as Error)?.stack }, `pass failed: ${errorMessage(error)}`)
  }
}

/** The promise, or a rejection as soon as the signal aborts; what the promise does later is nobody's concern. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
