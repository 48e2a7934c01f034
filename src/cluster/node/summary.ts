import { readFileSync } from 'node:fs'
import { type Clock, rfc3339 } from '#lib'
import type { PodUsage } from './agent.ts'

/** CPU time is counted in ticks of 10 ms; over a shorter time than this a rate says little, ms. */
const shortestWindow = 1000
/** An older sample tells of another time, ms. */
const longestWindow = 60_000

interface Sample {
  at: number
  pods: PodUsage[]
  machine: { cpuMs: number; memoryBytes: number }
}

/** What pods and machine use, asked for rather than watched: nothing is measured while nobody asks. */
export class UsageMeter {
  readonly #clock: Clock
  readonly #stats: () => PodUsage[]
  #last: Sample | undefined
  #answer: Promise<object> | undefined

  constructor(clock: Clock, stats: () => PodUsage[]) {
    this.#clock = clock
    this.#stats = stats
  }

  /**
   * The kubelet's stats/v1alpha1 Summary, as far as metrics need it, and `windowSeconds`, the time that the rates are of:
   * since the last question, if that was within a minute; else a second is waited for.
   */
  summary(): Promise<object> {
    this.#answer ??= this.#measure().finally(() => {
      this.#answer = undefined
    })
    return this.#answer
  }

  async #measure(): Promise<object> {
    const age = this.#last ? this.#clock.monotonic() - this.#last.at : Number.POSITIVE_INFINITY
    if (age > longestWindow) this.#last = this.#sample()
    if (age > longestWindow || age < shortestWindow)
      await this.#clock.sleep(shortestWindow - (age < shortestWindow ? age : 0))
    const before = this.#last!
    const now = this.#sample()
    this.#last = now
    return summaryOf(before, now, rfc3339(this.#clock.now()))
  }

  #sample(): Sample {
    return { at: this.#clock.monotonic(), pods: this.#stats(), machine: machineUsage() }
  }
}

function summaryOf(before: Sample, now: Sample, time: string): object {
  const elapsedMs = Math.max(1, now.at - before.at)
  const known = new Map<string, number>()
  for (const { uid, containers } of before.pods)
    for (const { name, cpuMs } of containers) known.set(`${uid}/${name}`, cpuMs)
  // The sum is of living processes only, so it can fall; a container that began meanwhile began with nothing.
  const rate = (from: number, to: number) => Math.round((Math.max(0, to - from) / elapsedMs) * 1e9)
  const usage = (cpu: number, memory: number) => ({
    cpu: { time, usageNanoCores: cpu },
    memory: { time, workingSetBytes: memory },
  })
  return {
    windowSeconds: elapsedMs / 1000,
    node: usage(rate(before.machine.cpuMs, now.machine.cpuMs), now.machine.memoryBytes),
    pods: now.pods.map(({ uid, name, namespace, containers }) => ({
      podRef: { name, namespace, uid },
      containers: containers.map((container) => ({
        name: container.name,
        ...usage(rate(known.get(`${uid}/${container.name}`) ?? 0, container.cpuMs), container.memoryBytes),
      })),
    })),
  }
}

/** CPU time that was not idle since boot, and memory that is not available (proc_stat(5), proc_meminfo(5)). */
function machineUsage(): { cpuMs: number; memoryBytes: number } {
  try {
    const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
      .split('\n', 1)[0]
      .split(/\s+/)
      .slice(1)
      .map(Number)
    const memory = readFileSync('/proc/meminfo', 'latin1')
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? 0)
    return {
      cpuMs: (user + nice + system + irq + softirq + steal) * 10,
      memoryBytes: (kilobytes('MemTotal') - kilobytes('MemAvailable')) * 1024,
    }
  } catch {
    return { cpuMs: 0, memoryBytes: 0 }
  }
}
