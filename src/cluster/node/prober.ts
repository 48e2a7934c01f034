import type { objects } from '#kube'
import type { Clock } from '#lib'
import { type ProbeReply, type ProbeTarget, runProbe } from './probe.ts'

export type ProbeKind = 'startup' | 'readiness' | 'liveness'

export interface ProberEvents {
  /** A probe has made up its mind: success or failure threshold reached. */
  onResult(kind: ProbeKind, ok: boolean, reply: ProbeReply): void
  /** A failure that counts, with what the container answered. */
  onFailure(kind: ProbeKind, reply: ProbeReply): void
}

/** Eager attempts are 25 ms plus about 5 % of the time since the start apart. */
const eagerInitial = 25
const eagerGrowth = 1.05

/**
 * The probes of one attempt. Startup holds the others back until it succeeds. Until their first success startup and
 * readiness are asked eagerly, because push to live is waiting for them; failures are counted once per period all the
 * same, so thresholds mean what they mean on any Kubernetes.
 */
export class Prober {
  readonly #container: objects.Container
  readonly #target: ProbeTarget
  readonly #clock: Clock
  readonly #events: ProberEvents
  readonly #stop = new AbortController()

  constructor(options: { container: objects.Container; target: ProbeTarget; clock: Clock; events: ProberEvents }) {
    this.#container = options.container
    this.#target = options.target
    this.#clock = options.clock
    this.#events = options.events
  }

  /** @param known what was true before this agent took the container up; a fresh one has neither */
  start(known: { started: boolean; ready: boolean }): void {
    const { startupProbe } = this.#container
    if (startupProbe && !known.started) void this.#watch('startup', startupProbe, false)
    else this.#rest(known.ready)
  }

  stop(): void {
    this.#stop.abort()
  }

  #rest(ready: boolean): void {
    const { readinessProbe, livenessProbe } = this.#container
    if (readinessProbe) void this.#watch('readiness', readinessProbe, ready)
    if (livenessProbe) void this.#watch('liveness', livenessProbe, true)
  }

  async #watch(kind: ProbeKind, probe: objects.Probe, succeeded: boolean): Promise<void> {
    const { signal } = this.#stop
    const clock = this.#clock
    const period = (probe.periodSeconds || 10) * 1000
    const timeout = (probe.timeoutSeconds || 1) * 1000
    const needed = kind === 'readiness' ? probe.successThreshold || 1 : 1
    const allowed = probe.failureThreshold || 3
    if (probe.initialDelaySeconds) await clock.sleep(probe.initialDelaySeconds * 1000, signal)
    let settled: boolean | undefined = kind === 'startup' ? undefined : succeeded
    let due = clock.monotonic() + (succeeded ? 0 : period)
    let eager = eagerInitial
    for (let successes = 0, failures = 0; !signal.aborted; ) {
      const asked = clock.monotonic()
      const reply = await runProbe(probe, this.#target, timeout)
      if (signal.aborted) return
      // Who gets no answer waits into the next period, and that is a failure of the one that is over.
      const counts = clock.monotonic() >= due
      if (counts) due = Math.max(due + period, clock.monotonic() + period / 2)
      if (reply.ok) {
        failures = 0
        successes++
        if (successes >= needed && settled !== true) {
          settled = succeeded = true
          this.#events.onResult(kind, true, reply)
          if (kind === 'startup') return this.#rest(false)
        }
      } else {
        successes = 0
        if (counts) {
          failures++
          this.#events.onFailure(kind, reply)
          if (failures >= allowed && settled !== false) {
            settled = false
            this.#events.onResult(kind, false, reply)
            if (kind !== 'readiness') return
          }
        }
      }
      const rest = Math.max(0, due - clock.monotonic())
      // A command may be as dear as a second BEAM: eagerness takes a tenth of the time at most.
      const pause = Math.max(eager, 10 * (clock.monotonic() - asked))
      await clock.sleep(succeeded ? rest : Math.min(rest, pause), signal)
      eager *= eagerGrowth
    }
  }
}
