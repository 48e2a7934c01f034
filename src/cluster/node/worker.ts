import { isNotFound, type objects, Pod } from '#kube'
import { CuddleError, errorMessage, parseQuantity, rfc3339, sha256 } from '#lib'
import { type Attempt, adoptAttempt, type Exit, startAttempt } from './attempt.ts'
import { oomKills, removeCgroups } from './cgroups.ts'
import type { NodeContext } from './context.ts'
import { Deadline } from './deadline.ts'
import type { PodDirectory } from './directory.ts'
import type { DownwardContext } from './downward.ts'
import { ContainerLog } from './log.ts'
import { lastLines } from './log-read.ts'
import { backOff, plan } from './plan.ts'
import { prepareContainer } from './prepare.ts'
import type { ProbeReply } from './probe.ts'
import type { ProbeKind } from './prober.ts'
import { type ContainerInfo, type ContainerRecord, containersOf, freshContainer, type PodRecord } from './record.ts'
import { Running } from './running.ts'
import { podStatus } from './status.ts'
import { StatusWriter } from './status-writer.ts'
import { runHook, stopContainer } from './stop.ts'
import { hasLiveVolumes, setUpVolumes, type VolumePaths } from './volumes.ts'

const defaultGraceSeconds = 30
/** A pod that was deleted by force still gets this long to end by itself, ms. */
const forcedGraceMs = 1000
/** How soon a failed preparation (image, configuration, volume) is tried again, ms. */
const retryMs = 2000
const imageRetryMs = 5000
/** How often the content of configMap and secret volumes is looked after, ms; the kubelet's sync period. */
const refreshMs = 60_000

/**
 * The life of one pod on this node, in one sequence: whatever happens (a change in the API, an exit, a probe, a timer)
 * wakes the worker, and each pass brings the pod one step nearer to what it should be. The record on disk is written
 * before every effect that must not happen twice.
 */
export class PodWorker {
  readonly uid: string
  readonly record: PodRecord
  /** Resolves when nothing of the pod is left, here or in the API. */
  readonly done: Promise<void>
  readonly #node: NodeContext
  readonly #directory: PodDirectory
  readonly #status: StatusWriter
  readonly #signal: AbortSignal
  readonly #running = new Map<string, Running>()
  readonly #cleaning = new Map<string, Promise<void>>()
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
    for (const info of containersOf(this.record.pod)) {
      const { name } = info.spec
      const record = this.record.containers[name]
      if (!record.begun || record.state.terminated) continue
      const identity = { podUid: this.uid, container: name, number: record.restartCount }
      const directory = this.#directory.attempt(name, record.restartCount)
      const attempt = await adoptAttempt(identity, directory, this.#node.clock)
      if (attempt) this.#attach(info, attempt, false)
      else record.begun = record.restartCount > 0 && Boolean(record.lastState.terminated)
      if (!attempt && record.begun) {
        // The attempt never began: its number is used again.
        record.state = { terminated: record.lastState.terminated! }
        record.restartCount--
      }
    }
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

  /** Looks after processes whose end was not announced. */
  check(): void {
    for (const { attempt } of this.#running.values()) attempt.check()
  }

  /** The processes that run now, by container name. */
  attempts(): Map<string, Attempt> {
    return new Map([...this.#running].map(([name, { attempt }]) => [name, attempt]))
  }

  /** A container's log: of the current or last attempt, or of the one before. Undefined when there is none. */
  log(container: string, previous: boolean): ContainerLog | undefined {
    const record = this.record.containers[container]
    if (!record?.begun) return undefined
    const running = this.#running.get(container)
    if (running && !previous) return running.attempt.log
    const number = record.restartCount - (previous ? 1 : 0)
    if (number < 0) return undefined
    const log = new ContainerLog(this.#directory.attempt(container, number), this.#node.clock)
    log.finish()
    return log
  }

  /** Lets go of the processes, which run on. */
  async close(): Promise<void> {
    this.#halt()
    for (const running of this.#running.values()) {
      running.stopProbes()
      running.attempt.close()
    }
    this.#deadline?.shorten(0)
  }

  /** Ends the processes for a while (`cuddle down`): the pod stays bound and starts again with the next agent. */
  async suspend(graceMs: number): Promise<void> {
    this.#halt()
    this.#deadline?.shorten(graceMs)
    await this.#passing
    const deadline = new Deadline(this.#node.clock, Math.min(graceMs, this.#graceSeconds() * 1000))
    await Promise.all([...this.#running.values()].map((running) => this.#stop(running, deadline)))
    await Promise.all(this.#cleaning.values())
    for (const record of Object.values(this.record.containers)) {
      record.notBefore = 0
      record.failures = 0
    }
    this.#directory.save(this.record)
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
    const next = plan(record.pod, record.containers, now)
    if (next.wakeAt !== undefined) this.#wakeAt(next.wakeAt)
    const infos = containersOf(record.pod).filter(({ spec }) => next.start.includes(spec.name))
    await Promise.all(infos.map((info) => this.#start(info)))
    if (next.finished) await this.#complete()
    this.#publish()
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

  async #start(info: ContainerInfo): Promise<void> {
    const node = this.#node
    const { spec } = info
    const record = this.record.containers[spec.name]
    await this.#cleaning.get(spec.name)
    try {
      const prepared = await prepareContainer(node, this.#downward(), spec, this.#directory, this.#volumes ?? {})
      if (this.#removed || this.#closed || this.record.pod.metadata.deletionTimestamp) return
      this.#begin(record, spec.name, prepared.imageID)
      node.events.record(
        this.record.pod,
        'Normal',
        'Pulled',
        `Container image "${spec.image}" already present on machine`,
        spec.name,
      )
      const attempt = await startAttempt({
        ...prepared,
        identity: { podUid: this.uid, container: spec.name, number: record.restartCount },
        directory: this.#directory.freshAttempt(spec.name, record.restartCount),
        shim: node.shim,
        cgroupFiles: record.cgroups.map((directory) => `${directory}/cgroup.procs`),
        clock: node.clock,
      })
      this.#attach(info, attempt, true)
      node.events.record(this.record.pod, 'Normal', 'Started', `Started container ${spec.name}`, spec.name)
    } catch (error) {
      this.#startFailed(info, error)
    }
  }

  #begin(record: ContainerRecord, name: string, imageID: string): void {
    const again = record.begun && record.state.terminated
    const ended = record.state.terminated ?? record.lastState.terminated
    if (again || (record.begun && ended)) {
      record.restartCount++
      record.lastState = { terminated: ended! }
    }
    record.begun = true
    record.state = { waiting: { reason: 'ContainerCreating' } }
    record.imageID = imageID
    record.containerID = `cuddle://${sha256(`${this.uid}/${name}/${record.restartCount}`)}`
    record.started = record.ready = false
    record.complaint = undefined
    record.cgroups = this.#limit(name, record.restartCount)
    this.#directory.save(this.record)
  }

  #limit(name: string, number: number): string[] {
    const { resources } = containersOf(this.record.pod).find(({ spec }) => spec.name === name)!.spec
    try {
      return (
        this.#node.cgroups?.create(`${this.uid}-${name}-${number}`, {
          memoryBytes: quantity(resources?.limits?.['memory']),
          cpuLimit: quantity(resources?.limits?.['cpu']),
          cpuRequest: quantity(resources?.requests?.['cpu']),
        }) ?? []
      )
    } catch (error) {
      this.#node.log.debug({ pod: this.#name() }, `no resource limits: ${errorMessage(error)}`)
      return []
    }
  }

  #startFailed(info: ContainerInfo, error: unknown): void {
    const node = this.#node
    const { name, image } = info.spec
    const record = this.record.containers[name]
    const code = error instanceof CuddleError ? error.code : ''
    const message = errorMessage(error)
    const now = node.clock.now()
    if (code === 'StartError') {
      if (!record.begun || !record.state.waiting) this.#begin(record, name, record.imageID)
      const at = rfc3339(now)
      record.state = {
        terminated: {
          exitCode: 128,
          reason: 'StartError',
          message,
          startedAt: at,
          finishedAt: at,
          containerID: record.containerID,
        },
      }
      backOff(record, 0, now, node.backoff)
      node.events.record(this.record.pod, 'Warning', 'Failed', `Error: ${message}`, name)
    } else {
      const imageFailed = code === 'ErrImagePull'
      const again =
        record.state.waiting?.reason === 'ErrImagePull' || record.state.waiting?.reason === 'ImagePullBackOff'
      if (record.state.terminated) record.lastState = record.state
      const reason = imageFailed && again ? 'ImagePullBackOff' : code || 'ContainerCreating'
      record.state = {
        waiting: { reason, message: imageFailed && again ? `Back-off pulling image "${image}": ${message}` : message },
      }
      record.notBefore = now + (imageFailed ? imageRetryMs : retryMs)
      if (code) node.events.record(this.record.pod, 'Warning', 'Failed', `Error: ${message}`, name)
      else node.log.warn({ pod: this.#name(), container: name }, `container cannot start yet: ${message}`)
    }
    this.#directory.save(this.record)
    this.wake()
  }

  #attach(info: ContainerInfo, attempt: Attempt, fresh: boolean): void {
    const { spec } = info
    const { clock } = this.#node
    const record = this.record.containers[spec.name]
    if (fresh || !record.state.running) {
      record.state = { running: { startedAt: rfc3339(attempt.startedAt) } }
      record.started = !spec.startupProbe
      record.ready = record.started && !spec.readinessProbe
    }
    const running = new Running({
      attempt,
      container: spec,
      podIP: this.record.ip,
      clock,
      events: {
        onResult: (kind, ok, reply) => this.#probed(info, kind, ok, reply),
        onFailure: (kind, reply) => this.#complained(info, kind, reply),
      },
    })
    this.#running.set(spec.name, running)
    const memory = quantity(spec.resources?.limits?.['memory'])
    if (memory && record.cgroups.length === 0) this.#node.guard.watch(attempt, memory)
    if (!this.record.pod.metadata.deletionTimestamp) running.probe(record)
    if (fresh) this.#directory.save(this.record)
    const postStart = fresh && spec.lifecycle?.postStart
    if (postStart) {
      void runHook(postStart, running.target, defaultGraceSeconds * 1000, clock).then((reply) => {
        if (reply.ok || !attempt.alive()) return
        this.#node.events.record(this.record.pod, 'Warning', 'FailedPostStartHook', reply.message, spec.name)
        void this.#stop(running, new Deadline(clock, this.#graceSeconds() * 1000))
      })
    }
    void attempt.ended.then((exit) => this.#ended(info, running, exit))
  }

  #ended(info: ContainerInfo, running: Running, exit: Exit): void {
    const { name } = info.spec
    const record = this.record.containers[name]
    const { attempt } = running
    running.stopProbes()
    this.#running.delete(name)
    const outOfMemory = exit.code === 137 && (oomKills(record.cgroups) > 0 || this.#node.guard.killed(attempt))
    record.started = record.ready = false
    record.state = {
      terminated: {
        exitCode: exit.code,
        reason: exit.lost ? 'Unknown' : outOfMemory ? 'OOMKilled' : exit.code === 0 ? 'Completed' : 'Error',
        ...this.#lastWords(info, attempt, exit.code),
        startedAt: rfc3339(attempt.startedAt),
        finishedAt: rfc3339(exit.finishedAt),
        containerID: record.containerID,
      },
    }
    if (exit.lost) record.notBefore = 0
    else backOff(record, exit.finishedAt - attempt.startedAt, this.#node.clock.now(), this.#node.backoff)
    const cleaned = attempt.kill().then(() => {
      removeCgroups(record.cgroups)
      record.cgroups = []
      this.#directory.forget(name, record.restartCount)
      if (this.#cleaning.get(name) === cleaned) this.#cleaning.delete(name)
    })
    this.#cleaning.set(name, cleaned)
    this.#directory.save(this.record)
    this.#announceBackOff(info, record)
    this.wake()
  }

  #announceBackOff({ spec }: ContainerInfo, record: ContainerRecord): void {
    const { pod, stopping } = this.record
    if (stopping || pod.metadata.deletionTimestamp || record.notBefore <= this.#node.clock.now()) return
    const message = `Back-off restarting failed container ${spec.name} in pod ${pod.metadata.name}_${pod.metadata.namespace}(${this.uid})`
    this.#node.events.record(pod, 'Warning', 'BackOff', message, spec.name)
  }

  #lastWords({ spec }: ContainerInfo, attempt: Attempt, code: number): { message?: string } {
    if (code === 0 || spec.terminationMessagePolicy !== 'FallbackToLogsOnError') return {}
    const message = lastLines(attempt.log, 80, 2048)
    return message ? { message } : {}
  }

  #probed(info: ContainerInfo, kind: ProbeKind, ok: boolean, reply: ProbeReply): void {
    const { spec } = info
    const record = this.record.containers[spec.name]
    const running = this.#running.get(spec.name)
    if (!running) return
    if (kind === 'startup' && ok) {
      record.started = true
      record.ready = !spec.readinessProbe
    } else if (kind === 'readiness') record.ready = ok
    if (ok) record.complaint = undefined
    this.#directory.save(this.record)
    if (!ok && kind !== 'readiness') {
      const probe = kind === 'startup' ? spec.startupProbe : spec.livenessProbe
      const grace = probe?.terminationGracePeriodSeconds ?? this.#graceSeconds()
      const message = `Container ${spec.name} failed ${kind} probe, will be restarted: ${reply.message}`
      this.#node.events.record(this.record.pod, 'Normal', 'Killing', message, spec.name)
      void this.#stop(running, new Deadline(this.#node.clock, grace * 1000))
    }
    this.wake()
  }

  #complained({ spec }: ContainerInfo, kind: ProbeKind, reply: ProbeReply): void {
    const title = kind[0].toUpperCase() + kind.slice(1)
    const message = `${title} probe failed: ${reply.message}`
    this.#node.events.record(this.record.pod, 'Warning', 'Unhealthy', message, spec.name)
    if (kind === 'liveness') return
    this.record.containers[spec.name].complaint = message
    this.wake()
  }

  async #stop(running: Running, deadline: Deadline): Promise<void> {
    running.stopProbes()
    const { attempt, container, target } = running
    await stopContainer({
      attempt,
      container,
      target,
      deadline,
      clock: this.#node.clock,
      onHookFailed: (message) =>
        this.#node.events.record(this.record.pod, 'Warning', 'FailedPreStopHook', message, container.name),
    })
  }

  /** Main containers at once, then sidecars, the last one first (KEP-753). */
  async #stopAll(graceMs: number): Promise<void> {
    const deadline = new Deadline(this.#node.clock, graceMs)
    this.#deadline = deadline
    const infos = containersOf(this.record.pod)
    const running = (kind: (info: ContainerInfo) => boolean) =>
      infos.filter(kind).flatMap(({ spec }) => this.#running.get(spec.name) ?? [])
    for (const { container } of running(() => true)) {
      this.#node.events.record(
        this.record.pod,
        'Normal',
        'Killing',
        `Stopping container ${container.name}`,
        container.name,
      )
    }
    await Promise.all(running(({ kind }) => kind !== 'sidecar').map((item) => this.#stop(item, deadline)))
    for (const item of running(({ kind }) => kind === 'sidecar').reverse()) await this.#stop(item, deadline)
    await Promise.all(this.#cleaning.values())
  }

  /** All that counts has ended: sidecars go, and the pod keeps its phase for ever. */
  async #complete(): Promise<void> {
    await this.#stopAll(this.#graceSeconds() * 1000)
    this.#settle()
  }

  async #fail(reason: string, message: string): Promise<void> {
    await this.#stopAll(this.#graceSeconds() * 1000)
    Object.assign(this.record, { phase: 'Failed', reason, message })
    this.#directory.save(this.record)
    this.#publish()
  }

  /** The final phase: what the main containers ended with; init containers only when it never came to those. */
  #settle(): void {
    const { record } = this
    if (record.phase === 'Succeeded' || record.phase === 'Failed') return
    const apps = containersOf(record.pod).filter(({ kind }) => kind === 'app')
    const good = apps.every(({ spec }) => record.containers[spec.name].state.terminated?.exitCode === 0)
    record.phase = good ? 'Succeeded' : 'Failed'
    this.#directory.save(record)
  }

  async #terminate(): Promise<void> {
    const { record } = this
    const node = this.#node
    if (!record.stopping) {
      record.stopping = { since: node.clock.now(), graceSeconds: this.#graceSeconds() }
      if (!this.#removed) this.#directory.save(record)
    }
    const { since, graceSeconds } = record.stopping
    const spent = Math.max(0, node.clock.now() - since)
    await this.#stopAll(this.#removed ? forcedGraceMs : Math.max(0, graceSeconds * 1000 - spent))
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
    this.#directory.save(this.record)
    this.#status.set(status)
  }

  #downward(): DownwardContext {
    const { hostIP, allocatable } = this.#node
    return { pod: this.record.pod, podIP: this.record.ip, hostIP, allocatable }
  }

  #graceSeconds(): number {
    const { metadata, spec } = this.record.pod
    return metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds
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

function quantity(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : parseQuantity(value)
}

/** The record of a pod that this node has not seen before; restart counts go on where the API knows of earlier runs. */
export function freshRecord(pod: objects.Pod, now: number): PodRecord {
  const known = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  const containers: Record<string, ContainerRecord> = {}
  for (const { spec } of containersOf(pod)) {
    const record = freshContainer()
    const before = known.find(({ name }) => name === spec.name)
    if (before?.containerID) record.restartCount = before.restartCount + 1
    containers[spec.name] = record
  }
  const { phase, reason, message, conditions, startTime } = pod.status ?? {}
  const over = phase === 'Succeeded' || phase === 'Failed'
  return {
    version: 1,
    pod,
    ip: '',
    startedAt: startTime ? Date.parse(startTime) : now,
    sandbox: false,
    containers,
    conditions: conditions ?? [],
    phase: over ? phase : 'Pending',
    ...(over && reason && { reason }),
    ...(over && message && { message }),
  }
}
