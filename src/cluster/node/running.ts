import { readFileSync, readlinkSync } from 'node:fs'
import type { objects } from '#kube'
import type { Clock } from '#lib'
import type { Attempt } from './attempt.ts'
import { joining } from './mounts.ts'
import type { ProbeTarget } from './probe.ts'
import { Prober, type ProberEvents } from './prober.ts'

/** A container that runs: its process and its probes. */
export class Running {
  readonly attempt: Attempt
  readonly container: objects.Container
  readonly target: ProbeTarget
  readonly #prober: Prober

  constructor(options: {
    attempt: Attempt
    container: objects.Container
    podIP: string
    clock: Clock
    events: ProberEvents
  }) {
    const { attempt, container, podIP, clock, events } = options
    this.attempt = attempt
    this.container = container
    this.target = new LiveTarget(attempt, podIP, container.ports ?? [])
    this.#prober = new Prober({ container, target: this.target, clock, events })
  }

  probe(known: { started: boolean; ready: boolean }): void {
    this.#prober.start(known)
  }

  stopProbes(): void {
    this.#prober.stop()
  }
}

/** Exec probes and hooks run where the main process is and with what it has, also when another agent started it. */
class LiveTarget implements ProbeTarget {
  readonly podIP: string
  readonly ports: readonly objects.ContainerPort[]
  readonly prefix: readonly string[]
  readonly #pid: number

  constructor(attempt: Attempt, podIP: string, ports: readonly objects.ContainerPort[]) {
    this.#pid = attempt.pid
    this.podIP = podIP
    this.ports = ports
    const kind = attempt.view()
    this.prefix = kind ? joining(kind, attempt.pid) : []
  }

  get env(): Record<string, string> {
    const env: Record<string, string> = {}
    for (const line of readFileSync(`/proc/${this.#pid}/environ`, 'utf8').split('\0')) {
      const equals = line.indexOf('=')
      if (equals > 0) env[line.slice(0, equals)] = line.slice(equals + 1)
    }
    return env
  }

  get cwd(): string {
    return this.prefix.length > 0 ? '/' : readlinkSync(`/proc/${this.#pid}/cwd`)
  }
}
