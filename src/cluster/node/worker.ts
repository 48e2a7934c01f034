import { isNotFound, type objects, Pod } from '#kube'
import { CuddleError, errorMessage } from '#lib'
import { Containers } from './containers.ts'
import type { NodeContext } from './context.ts'
import { Deadline } from './deadline.ts'
import type { PodDirectory } from './directory.ts'
import type { DownwardContext } from './downward.ts'
import { plan } from './plan.ts'
import { containersOf, graceSeconds, type PodRecord } from './record.ts'
import { obstacle, pendingResizes } from './resize.ts'
import { podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'
import { retryMs } from './transitions.ts'
import { hasLiveVolumes, setUpVolumes, type VolumePaths } from './volumes.ts'

/** A pod that was deleted by force still gets this long to end by itself, ms. */
const forcedGraceMs = 1000
/** How often the content of configMap and secret volumes is looked after, ms; the kubelet's sync period. */
const refreshMs = 60_000
/** Until it is looked again whether a resize fits, ms; any change of the pod is another reason. */
const resizeRetryMs = 5_000

/**
 * The life of one pod on this node, in one sequence: whatever happens (a change in the API, an exit, a probe, a timer)
 * wakes the worker, and each pass brings the pod one step nearer to what it should be. The record on disk is written
 * before every effect that must not happen twice.
 */
export class PodWorker {
  readonly uid: string
  readonly record: PodRecord
  readonly containers: Containers
  /** Resolves when nothing of the pod is left, here or in the API. */
  readonly done: Promise<void>
  readonly #node: NodeContext
  readonly #directory: PodDirectory
  readonly #status: StatusWriter
  readonly #signal: AbortSignal
  #volumes: VolumePaths | undefined
  #deadline: Deadline | undefined
  #removed = false
  #closed = false
  #wanted = false
  #passing: Promise<void> | undefined
  #timer: (() => void) | undefined
  #refresh: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #finish: () => void = () => {}

  constructor(options: { node: NodeContext; directory: PodDirectory; record: PodRecord; signal: AbortSignal }) {
    const { node, directory, record, signal } = options
    this.#node = node
    this.#directory = directory
    this.record = record
    this.#signal = signal
    this.containers = new Containers(node, directory, record, () => this.wake())
    const { name, namespace, uid } = record.pod.metadata
    this.uid = uid!
    const { kube, clock, log } = node
    this.#status = new StatusWriter({
      kube,
      clock,
      log,
      signal,
      pod: { name: name!, namespace: namespace!, uid: uid! },
    })
    this.done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  /** Takes up what an earlier agent left running. Call once, before anything else, for a record from the disk. */
  async adopt(): Promise<void> {
    await this.containers.adopt()
    this.#publish()
  }

  /** The pod as the API has it now. */
  update(pod: objects.Pod): void {
    this.record.pod = pod
    const grace = pod.metadata.deletionGracePeriodSeconds
    if (pod.metadata.deletionTimestamp && grace !== undefined) this.#deadline?.shorten(grace * 1000)
    this.wake()
  }

  /** The pod is no longer in the API. */
  remove(): void {
    this.#removed = true
    this.#deadline?.shorten(forcedGraceMs)
    this.wake()
  }

  wake(): void {
    this.#wanted = true
    this.#passing ??= this.#passes().finally(() => {
      this.#passing = undefined
    })
  }

  /** Lets go of the processes, which run on. */
  close(): void {
    this.#halt()
    this.containers.close()
    this.#deadline?.shorten(0)
  }

  /** Ends the processes for a while (`cuddle down`): the pod stays bound and starts again with the next agent. */
  async suspend(graceMs: number): Promise<void> {
    this.#halt()
    this.#deadline?.shorten(graceMs)
    await this.#passing
    await this.#stop(Math.min(graceMs, graceSeconds(this.record.pod) * 1000))
    for (const record of Object.values(this.record.containers)) {
      record.notBefore = 0
      record.failures = 0
    }
    this.#save()
  }

  async #passes(): Promise<void> {
    while (this.#wanted && !this.#closed) {
      this.#wanted = false
      try {
        await this.#pass()
      } catch (error) {
        this.#node.log.warn({ pod: this.#name() }, `pod cannot go on: ${errorMessage(error)}`)
        this.#wakeAt(this.#node.clock.now() + retryMs)
      }
    }
  }

  async #pass(): Promise<void> {
    const { record } = this
    if (this.#removed || record.pod.metadata.deletionTimestamp) return this.#terminate()
    if (record.phase === 'Succeeded' || record.phase === 'Failed') return this.#publish()
    const now = this.#node.clock.now()
    const limit = record.pod.spec?.activeDeadlineSeconds
    if (limit !== undefined && now >= record.startedAt + limit * 1000) {
      return this.#fail('DeadlineExceeded', 'Pod was active on the node longer than the specified deadline')
    }
    if (limit !== undefined) this.#wakeAt(record.startedAt + limit * 1000)
    if (!(await this.#sandbox())) return this.#publish()
    this.#resize()
    const next = plan(record.pod, record.containers, now)
    if (next.wakeAt !== undefined) this.#wakeAt(next.wakeAt)
    const infos = containersOf(record.pod).filter(({ spec }) => next.start.includes(spec.name))
    const wanted = () => !this.#removed && !this.#closed && !this.record.pod.metadata.deletionTimestamp
    const volumes = this.#volumes ?? {}
    await Promise.all(infos.map((info) => this.containers.start(info, this.#downward(), volumes, wanted)))
    if (next.finished) await this.#complete()
    this.#publish()
  }

  /** Resources follow the spec of a running pod. What does not fit waits, and is told. */
  #resize(): void {
    const { record } = this
    const node = this.#node
    const pending = pendingResizes(record)
    const before = record.resize
    if (pending.length === 0) {
      record.resize = undefined
      return
    }
    const failed = (type: 'PodResizePending' | 'PodResizeInProgress', reason: string, message: string) => {
      record.resize = { type, reason, message }
      if (before?.reason !== reason) node.events.record(record.pod, 'Warning', `Resize${reason}`, message)
    }
    const why = obstacle(record, node.records(), node.allocatable)
    if (why) {
      failed('PodResizePending', why.reason, why.message)
      if (why.reason === 'Deferred') this.#wakeAt(node.clock.now() + resizeRetryMs)
      return
    }
    for (const resize of pending) {
      const refused = this.containers.resize(resize)
      if (refused === undefined) continue
      failed('PodResizeInProgress', 'Error', refused)
      this.#wakeAt(node.clock.now() + resizeRetryMs)
      return
    }
    record.resize = undefined
    node.events.record(record.pod, 'Normal', 'ResizeCompleted', 'Pod resize completed')
  }

  /** Address and volumes; false while they cannot be had. */
  async #sandbox(): Promise<boolean> {
    const { record } = this
    const node = this.#node
    if (!record.ip) record.ip = node.addresses.take()
    if (this.#volumes) return true
    try {
      this.#volumes = await setUpVolumes(node, this.#downward(), this.#directory)
      record.sandbox = true
    } catch (error) {
      if (record.sandbox && !(error instanceof CuddleError)) throw error
      node.events.record(record.pod, 'Warning', 'FailedMount', errorMessage(error))
      this.#wakeAt(node.clock.now() + retryMs)
      return record.sandbox
    }
    if (hasLiveVolumes(record.pod)) this.#keepFresh()
    return true
  }

  #keepFresh(): void {
    this.#refresh = this.#node.clock.after(refreshMs, () => {
      if (this.#removed || this.record.stopping) return
      this.#keepFresh()
      setUpVolumes(this.#node, this.#downward(), this.#directory).catch((error) => {
        this.#node.log.debug({ pod: this.#name() }, `volumes not refreshed: ${errorMessage(error)}`)
      })
    })
  }

  #stop(graceMs: number): Promise<void> {
    this.#deadline = new Deadline(this.#node.clock, graceMs)
    return this.containers.stop(this.#deadline)
  }

  /** All that counts has ended: sidecars go, and the pod keeps its phase for ever. */
  async #complete(): Promise<void> {
    await this.#stop(graceSeconds(this.record.pod) * 1000)
    this.#settle()
  }

  async #fail(reason: string, message: string): Promise<void> {
    await this.#stop(graceSeconds(this.record.pod) * 1000)
    Object.assign(this.record, { phase: 'Failed', reason, message })
    this.#save()
    this.#publish()
  }

  /** The final phase: what the main containers ended with; init containers only when it never came to those. */
  #settle(): void {
    const { record } = this
    if (record.phase === 'Succeeded' || record.phase === 'Failed') return
    const apps = containersOf(record.pod).filter(({ kind }) => kind === 'app')
    const good = apps.every(({ spec }) => record.containers[spec.name].state.terminated?.exitCode === 0)
    record.phase = good ? 'Succeeded' : 'Failed'
    this.#save()
  }

  async #terminate(): Promise<void> {
    const { record } = this
    const node = this.#node
    if (!record.stopping) {
      record.stopping = { since: node.clock.now(), graceSeconds: graceSeconds(record.pod) }
      if (!this.#removed) this.#save()
    }
    const spent = Math.max(0, node.clock.now() - record.stopping.since)
    await this.#stop(this.#removed ? forcedGraceMs : Math.max(0, record.stopping.graceSeconds * 1000 - spent))
    if (this.#closed) return
    if (!this.#removed) {
      this.#settle()
      this.#publish()
      await this.#status.flushed()
      await this.#delete()
    }
    if (this.#removed) this.#vanish()
  }

  async #delete(): Promise<void> {
    const { name, namespace } = this.record.pod.metadata
    try {
      await this.#node.kube.delete(Pod, name!, namespace, {
        gracePeriodSeconds: 0,
        preconditions: { uid: this.uid },
        signal: this.#signal,
      })
    } catch (error) {
      if (isNotFound(error) || (error as { code?: number }).code === 409) {
        this.#removed = true
        return
      }
      throw error
    }
  }

  #vanish(): void {
    this.#halt()
    if (this.record.ip) this.#node.addresses.release(this.record.ip)
    this.#directory.remove()
    this.#finish()
  }

  /** No more passes, no more timers. */
  #halt(): void {
    this.#closed = true
    this.#timer?.()
    this.#refresh?.()
  }

  #publish(): void {
    const status = podStatus(this.record, this.#node.clock.now(), this.#node.hostIP)
    this.record.conditions = status.conditions ?? []
    if (this.#removed) return
    this.#save()
    this.#status.set(status)
  }

  #save(): void {
    try {
      this.#directory.save(this.record)
    } catch (error) {
      this.#node.log.error({ pod: this.#name() }, `pod state not written: ${errorMessage(error)}`)
    }
  }

  #downward(): DownwardContext {
    const { hostIP, allocatable } = this.#node
    return { pod: this.record.pod, podIP: this.record.ip, hostIP, allocatable }
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt && this.#timerAt > this.#node.clock.now()) return
    this.#timer?.()
    this.#timerAt = at
    this.#timer = this.#node.clock.after(Math.max(0, at - this.#node.clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.wake()
    })
  }

  #name(): string {
    return `${this.record.pod.metadata.namespace}/${this.record.pod.metadata.name}`
  }
}
