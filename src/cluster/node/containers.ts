import { existsSync } from 'node:fs'
import type { objects } from '#kube'
import { CuddleError, errorMessage, parseQuantity, rfc3339 } from '#lib'
import { type Attempt, adoptAttempt, type Exit, startAttempt } from './attempt.ts'
import { type Limits, oomKills, removeCgroups } from './cgroups.ts'
import type { NodeContext } from './context.ts'
import { Deadline } from './deadline.ts'
import type { PodDirectory } from './directory.ts'
import type { DownwardContext } from './downward.ts'
import { ContainerLog } from './log.ts'
import { lastLines } from './log-read.ts'
import { prepareContainer } from './prepare.ts'
import type { ProbeReply } from './probe.ts'
import type { ProbeKind } from './prober.ts'
import { type ContainerInfo, type ContainerRecord, containersOf, graceSeconds, type PodRecord } from './record.ts'
import type { Resize } from './resize.ts'
import { Running } from './running.ts'
import { runHook, stopContainer } from './stop.ts'
import { attemptEnded, beginAttempt, preparationFailed, startRefused } from './transitions.ts'
import type { VolumePaths } from './volumes.ts'

const hookMs = 30_000

/**
 * The containers of one pod: starts, watches and stops their processes and writes down what becomes of them. When and
 * what to start is the worker's business.
 */
export class Containers {
  readonly #node: NodeContext
  readonly #directory: PodDirectory
  readonly #record: PodRecord
  readonly #changed: () => void
  readonly #running = new Map<string, Running>()
  readonly #cleaning = new Map<string, Promise<void>>()

  /** @param changed something happened that the worker should look at */
  constructor(node: NodeContext, directory: PodDirectory, record: PodRecord, changed: () => void) {
    this.#node = node
    this.#directory = directory
    this.#record = record
    this.#changed = changed
  }

  /** Takes up what an earlier agent left running, or finds out how it ended. */
  async adopt(): Promise<void> {
    for (const info of containersOf(this.#record.pod)) {
      const { name } = info.spec
      const record = this.#record.containers[name]
      if (!record.begun || record.state.terminated) continue
      const identity = { podUid: this.#uid, container: name, number: record.restartCount }
      const directory = this.#directory.attempt(name, record.restartCount)
      const attempt = await adoptAttempt(identity, directory, this.#node.clock)
      if (attempt) this.#attach(info, attempt, false)
      else neverBegan(record)
    }
  }

  /** The processes that run now, by container name. */
  attempts(): Map<string, Attempt> {
    return new Map([...this.#running].map(([name, { attempt }]) => [name, attempt]))
  }

  /** A container that runs now, and the control groups it is in. */
  running(name: string): { running: Running; cgroups: readonly string[] } | undefined {
    const running = this.#running.get(name)
    return running && { running, cgroups: this.#record.containers[name].cgroups }
  }

  /** Looks after processes whose end was not announced. */
  check(): void {
    for (const { attempt } of this.#running.values()) attempt.check()
  }

  /** A container's log: of the current or last attempt, or of the one before. Undefined when there is none. */
  log(container: string, previous: boolean): ContainerLog | undefined {
    if (!Object.hasOwn(this.#record.containers, container)) return undefined
    const record = this.#record.containers[container]
    const running = this.#running.get(container)
    if (running && !previous) return running.attempt.log
    const directory = this.#directory.attempt(container, record.restartCount - (previous ? 1 : 0))
    if (!record.begun || !existsSync(directory)) return undefined
    const log = new ContainerLog(directory, this.#node.clock)
    log.finish()
    return log
  }

  /**
   * Prepares and starts a container; whatever goes wrong is written down in its record.
   * @param wanted asked after the preparation, which may have taken long
   */
  async start(
    info: ContainerInfo,
    context: DownwardContext,
    volumes: VolumePaths,
    wanted: () => boolean,
  ): Promise<void> {
    const node = this.#node
    const { spec } = info
    const { name } = spec
    const record = this.#record.containers[name]
    await this.#cleaning.get(name)
    try {
      const prepared = await prepareContainer(node, context, spec, this.#directory, volumes)
      if (!wanted()) return
      beginAttempt(record, this.#uid, name, prepared.imageID)
      record.cgroups = this.#limit(info, record.restartCount)
      record.given = spec.resources ?? {}
      // Written before the process begins: an agent that dies in between looks for it, and never starts it twice.
      this.#directory.save(this.#record)
      this.#event('Normal', 'Pulled', `Container image "${spec.image}" already present on machine`, name)
      const attempt = await startAttempt({
        ...prepared,
        identity: { podUid: this.#uid, container: name, number: record.restartCount },
        directory: this.#directory.freshAttempt(name, record.restartCount),
        shim: node.shim,
        cgroupFiles: record.cgroups.map((directory) => `${directory}/cgroup.procs`),
        clock: node.clock,
        stdin: spec.stdin,
        tty: spec.tty,
      })
      this.#attach(info, attempt, true)
      this.#event('Normal', 'Started', `Started container ${name}`, name)
    } catch (error) {
      this.#startFailed(info, error)
    }
  }

  /** Gives a running container other resources. A message says why the machine refuses. */
  resize({ info, resources, restart }: Resize): string | undefined {
    const { name } = info.spec
    const record = this.#record.containers[name]
    const running = this.#running.get(name)
    if (!running) return undefined
    if (restart) {
      this.#event('Normal', 'Killing', `Container ${name} resize requires restart`, name)
      record.given = resources
      void this.#stop(running, new Deadline(this.#node.clock, graceSeconds(this.#record.pod) * 1000))
      return undefined
    }
    try {
      this.#node.cgroups?.update(record.cgroups, limitsOf(resources))
    } catch (error) {
      return errorMessage(error)
    }
    const memory = quantity(resources.limits?.['memory'])
    if (memory && record.cgroups.length === 0) this.#node.guard.watch(running.attempt, memory)
    record.given = resources
    return undefined
  }

  /** Ends all: main containers at once, then sidecars, the last one first (KEP-753). Resolves when nothing is left. */
  async stop(deadline: Deadline): Promise<void> {
    const infos = containersOf(this.#record.pod)
    const running = (kind: (info: ContainerInfo) => boolean) =>
      infos.filter(kind).flatMap(({ spec }) => this.#running.get(spec.name) ?? [])
    for (const { container } of running(() => true)) {
      this.#event('Normal', 'Killing', `Stopping container ${container.name}`, container.name)
    }
    await Promise.all(running(({ kind }) => kind !== 'sidecar').map((item) => this.#stop(item, deadline)))
    for (const item of running(({ kind }) => kind === 'sidecar').reverse()) await this.#stop(item, deadline)
    await Promise.all(this.#cleaning.values())
  }

  /** Lets go of the processes, which run on. */
  close(): void {
    for (const running of this.#running.values()) {
      running.stopProbes()
      running.attempt.close()
    }
  }

  get #uid(): string {
    return this.#record.pod.metadata.uid!
  }

  #limit({ spec }: ContainerInfo, number: number): string[] {
    const { name, resources } = spec
    try {
      return this.#node.cgroups?.create(`${this.#uid}-${name}-${number}`, limitsOf(resources)) ?? []
    } catch (error) {
      this.#node.log.debug({ pod: this.#uid }, `no resource limits: ${errorMessage(error)}`)
      return []
    }
  }

  #attach(info: ContainerInfo, attempt: Attempt, fresh: boolean): void {
    const { spec } = info
    const { clock } = this.#node
    const record = this.#record.containers[spec.name]
    if (fresh || !record.state.running) {
      record.state = { running: { startedAt: rfc3339(attempt.startedAt) } }
      record.started = !spec.startupProbe
      record.ready = record.started && !spec.readinessProbe
    }
    const running = new Running({
      attempt,
      container: spec,
      podIP: this.#record.ip,
      clock,
      events: {
        onResult: (kind, ok, reply) => this.#probed(info, kind, ok, reply),
        onFailure: (kind, reply) => this.#complained(info, kind, reply),
      },
    })
    this.#running.set(spec.name, running)
    // Of an attempt that an agent began which did not know of resizes.
    record.given ??= spec.resources ?? {}
    const memory = quantity(record.given.limits?.['memory'])
    if (memory && record.cgroups.length === 0) this.#node.guard.watch(attempt, memory)
    if (!this.#record.pod.metadata.deletionTimestamp) running.probe(record)
    if (fresh) this.#save()
    const postStart = fresh && spec.lifecycle?.postStart
    if (postStart) {
      void runHook(postStart, running.target, hookMs, clock).then((reply) => {
        if (reply.ok || !attempt.alive()) return
        this.#event('Warning', 'FailedPostStartHook', reply.message, spec.name)
        void this.#stop(running, new Deadline(clock, graceSeconds(this.#record.pod) * 1000))
      })
    }
    void attempt.ended.then((exit) => this.#ended(info, running, exit))
  }

  #startFailed(info: ContainerInfo, error: unknown): void {
    const node = this.#node
    const { name, image = '' } = info.spec
    const record = this.#record.containers[name]
    const now = node.clock.now()
    if (error instanceof CuddleError && error.code === 'StartError') {
      if (!record.begun || !record.state.waiting) beginAttempt(record, this.#uid, name, record.imageID)
      startRefused(record, error.message, now, node.backoff)
    } else preparationFailed(record, error, image, now)
    if (error instanceof CuddleError) this.#event('Warning', 'Failed', `Error: ${error.message}`, name)
    else node.log.warn({ pod: this.#uid, container: name }, `container cannot start yet: ${errorMessage(error)}`)
    this.#save()
    this.#changed()
  }

  #ended(info: ContainerInfo, running: Running, exit: Exit): void {
    const node = this.#node
    const { name, terminationMessagePolicy } = info.spec
    const record = this.#record.containers[name]
    const { attempt } = running
    running.stopProbes()
    this.#running.delete(name)
    const outOfMemory = exit.code === 137 && (oomKills(record.cgroups) > 0 || node.guard.killed(attempt))
    const talks = exit.code !== 0 && terminationMessagePolicy === 'FallbackToLogsOnError'
    const message = talks ? lastLines(attempt.log, 80, 2048) : ''
    attemptEnded(record, attempt, exit, { outOfMemory, message }, node.clock.now(), node.backoff)
    const cleaned = attempt.kill().then(() => {
      removeCgroups(record.cgroups)
      record.cgroups = []
      this.#directory.forget(name, record.restartCount)
      if (this.#cleaning.get(name) === cleaned) this.#cleaning.delete(name)
    })
    this.#cleaning.set(name, cleaned)
    this.#save()
    this.#announceBackOff(name, record)
    this.#changed()
  }

  #announceBackOff(name: string, record: ContainerRecord): void {
    const { pod, stopping } = this.#record
    if (stopping || pod.metadata.deletionTimestamp || record.notBefore <= this.#node.clock.now()) return
    const where = `${pod.metadata.name}_${pod.metadata.namespace}(${this.#uid})`
    this.#event('Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${where}`, name)
  }

  #probed(info: ContainerInfo, kind: ProbeKind, ok: boolean, reply: ProbeReply): void {
    const { spec } = info
    const record = this.#record.containers[spec.name]
    const running = this.#running.get(spec.name)
    if (!running) return
    if (kind === 'startup' && ok) {
      record.started = true
      record.ready = !spec.readinessProbe
    } else if (kind === 'readiness') record.ready = ok
    if (ok) record.complaint = undefined
    this.#save()
    if (!ok && kind !== 'readiness') {
      const probe = kind === 'startup' ? spec.startupProbe : spec.livenessProbe
      const grace = probe?.terminationGracePeriodSeconds ?? graceSeconds(this.#record.pod)
      const message = `Container ${spec.name} failed ${kind} probe, will be restarted: ${reply.message}`
      this.#event('Normal', 'Killing', message, spec.name)
      void this.#stop(running, new Deadline(this.#node.clock, grace * 1000))
    }
    this.#changed()
  }

  #complained({ spec }: ContainerInfo, kind: ProbeKind, reply: ProbeReply): void {
    const title = kind[0].toUpperCase() + kind.slice(1)
    const message = `${title} probe failed: ${reply.message}`
    this.#event('Warning', 'Unhealthy', message, spec.name)
    if (kind === 'liveness') return
    this.#record.containers[spec.name].complaint = message
    this.#changed()
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
      onHookFailed: (message) => this.#event('Warning', 'FailedPreStopHook', message, container.name),
    })
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string, container: string): void {
    this.#node.events.record(this.#record.pod, type, reason, message, container)
  }

  /** A full disk must not take the agent down: what could not be written is known in memory, and written the next time. */
  #save(): void {
    try {
      this.#directory.save(this.#record)
    } catch (error) {
      this.#node.log.error({ pod: this.#uid }, `pod state not written: ${errorMessage(error)}`)
    }
  }
}

/** An attempt was announced on disk and did not come to be: its number is used again. */
function neverBegan(record: ContainerRecord): void {
  const ended = record.lastState.terminated
  record.begun = record.restartCount > 0 && ended !== undefined
  if (!record.begun) return
  record.state = { terminated: ended! }
  record.restartCount--
}

function limitsOf(resources: objects.ResourceRequirements | undefined): Limits {
  return {
    memoryBytes: quantity(resources?.limits?.['memory']),
    cpuLimit: quantity(resources?.limits?.['cpu']),
    cpuRequest: quantity(resources?.requests?.['cpu']),
  }
}

function quantity(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : parseQuantity(value)
}
