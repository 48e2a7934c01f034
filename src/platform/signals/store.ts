import type { Sample } from '#beam'

/** Whose signals they are. */
export interface Origin {
  app: string
  process: string
  pod: string
  /** The node's whole name. */
  node: string
  otpRelease: string
}

/** A process whose message queue is long. */
export interface Mailbox {
  /** Registered name, label or initial call: what a person knows it by. */
  name: string
  pid: string
  length: number
}

export interface PodSignals {
  origin: Origin
  /** The latest, undefined before the first. */
  sample: Sample | undefined
  /** When it was taken, ms since the epoch. */
  at: number
  /** Over which time utilisation and run queue are averaged, in seconds. */
  windowSeconds: number
  utilisation: number | undefined
  dirtyCpuUtilisation: number | undefined
  runQueue: number
  /** The longest message queues when they were last looked at, longest first. */
  mailboxes: readonly Mailbox[]
  /** Why there is no sample from the last period. */
  error: string | undefined
}

/** Signals that vary are averaged over this: one busy second is no load, and a step of it shows within a few seconds. */
const windowMs = 3_000
/** What is older than this is not told any more: better no number than a wrong one. */
export const staleMs = 15_000

interface Entry {
  origin: Origin
  samples: { at: number; sample: Sample }[]
  mailboxes: readonly Mailbox[]
  error: string | undefined
}

/** The latest signals of every BEAM node, in memory: whoever wants their history scrapes them. */
export class SignalStore {
  readonly #apps = new Map<string, Map<string, Entry>>()

  put(origin: Origin, sample: Sample, at: number): void {
    const entry = this.#entry(origin)
    entry.origin = origin
    entry.error = undefined
    entry.samples = [...entry.samples.filter((one) => one.at > at - windowMs), { at, sample }]
  }

  putMailboxes(origin: Origin, mailboxes: readonly Mailbox[]): void {
    this.#entry(origin).mailboxes = mailboxes
  }

  fail(origin: Origin, error: string): void {
    this.#entry(origin).error = error
  }

  /** Forgets all pods of an app but these. */
  keep(app: string, pods: ReadonlySet<string>): void {
    const known = this.#apps.get(app)
    if (!known) return
    for (const pod of [...known.keys()]) if (!pods.has(pod)) known.delete(pod)
    if (known.size === 0) this.#apps.delete(app)
  }

  apps(): string[] {
    return [...this.#apps.keys()].sort()
  }

  /** The nodes of an app, by pod; their sample is undefined where it is too old. */
  pods(app: string, now: number): PodSignals[] {
    const entries = [...(this.#apps.get(app)?.values() ?? [])]
    return entries
      .map((entry) => summary(entry, now))
      .sort((a, b) => (a.origin.pod < b.origin.pod ? -1 : a.origin.pod > b.origin.pod ? 1 : 0))
  }

  #entry(origin: Origin): Entry {
    let app = this.#apps.get(origin.app)
    if (!app) this.#apps.set(origin.app, (app = new Map()))
    let entry = app.get(origin.pod)
    if (!entry) app.set(origin.pod, (entry = { origin, samples: [], mailboxes: [], error: undefined }))
    return entry
  }
}

function summary({ origin, samples, mailboxes, error }: Entry, now: number): PodSignals {
  const last = samples.at(-1)
  const current = last && now - last.at <= staleMs ? last : undefined
  const recent = current ? samples : []
  const over = recent.reduce((sum, { sample }) => sum + sample.overMs, 0)
  const average = (value: (sample: Sample) => number | undefined) => {
    let [sum, time] = [0, 0]
    for (const { sample } of recent) {
      const one = value(sample)
      if (one === undefined) continue
      sum += one * sample.overMs
      time += sample.overMs
    }
    return time === 0 ? undefined : sum / time
  }
  return {
    origin,
    sample: current?.sample,
    at: current?.at ?? 0,
    windowSeconds: Math.max(1, Math.round(over / 1000)),
    utilisation: average((sample) => sample.utilisation),
    dirtyCpuUtilisation: average((sample) => sample.dirtyCpuUtilisation),
    runQueue: average((sample) => sample.runQueue.total) ?? 0,
    mailboxes,
    error,
  }
}
