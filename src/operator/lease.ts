import { isAlreadyExists, isConflict, type Kube, type KubeObject, Lease } from '#kube'
import { type Clock, errorMessage, type Logger, rfc3339Micro } from '#lib'

export interface LeaseOptions {
  kube: Kube
  clock: Clock
  log: Logger
  name: string
  namespace: string
  /** Who we are: unique per process. */
  identity: string
  /** How long others wait before they take the lease over, ms. @default 15000 */
  durationMs?: number
  /** A leader that could not renew for so long steps down, ms; below durationMs. @default 10000 */
  renewDeadlineMs?: number
  /** Between two attempts, ms. @default 2000 */
  retryMs?: number
}

/** Stopping waits no longer than this for a server that does not answer. */
const releaseMs = 2_000

/**
 * Leads through a coordination.k8s.io/v1 Lease, as client-go's leaderelection: at most one of all identities at a time,
 * given that clocks run at about the same speed. They need not agree on the hour: a lease counts as expired when *we* have
 * not seen it change for its duration.
 *
 * @param lead is called each time the lease is won; its signal aborts when the lease is lost or `signal` aborts, and the
 * lease is released once it has returned.
 */
export async function campaign(
  options: LeaseOptions,
  signal: AbortSignal,
  lead: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  const { clock, log, identity, durationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options
  const elector = new Elector(options, durationMs)
  while (!signal.aborted) {
    const won = await elector.tryToHold(signal).catch((error) => {
      log.debug({}, `lease ${options.name}: ${errorMessage(error)}`)
      return false
    })
    if (!won) {
      await clock.sleep(retryMs, signal)
      continue
    }
    log.info({ identity }, `leading by lease ${options.name}`)
    const lost = new AbortController()
    const stop = () => lost.abort()
    signal.addEventListener('abort', stop, { once: true })
    const leading = lead(lost.signal)
    await renew()
    lost.abort()
    signal.removeEventListener('abort', stop)
    await leading
    await elector.release()

    async function renew(): Promise<void> {
      for (let renewedAt = clock.monotonic(); ; ) {
        await clock.sleep(retryMs, signal)
        if (signal.aborted) return
        const left = renewDeadlineMs - (clock.monotonic() - renewedAt)
        const attempt = new AbortController()
        const giveUp = () => attempt.abort()
        const cancel = clock.after(Math.max(0, left), giveUp)
        signal.addEventListener('abort', giveUp, { once: true })
        try {
          const held = await elector.tryToHold(attempt.signal)
          if (!held) return log.warn({}, `lease ${options.name} was taken over`)
          renewedAt = clock.monotonic()
        } catch (error) {
          if (clock.monotonic() - renewedAt >= renewDeadlineMs)
            return log.error({}, `lease ${options.name} could not be renewed: ${errorMessage(error)}`)
        } finally {
          cancel()
          signal.removeEventListener('abort', giveUp)
        }
      }
    }
  }
}

class Elector {
  readonly #options: LeaseOptions
  readonly #durationMs: number
  #seen: KubeObject | undefined
  /** Our own time when the lease last looked different. */
  #seenAt = 0

  constructor(options: LeaseOptions, durationMs: number) {
    this.#options = options
    this.#durationMs = durationMs
  }

  /** Takes or renews the lease; false when somebody else holds it. Throws when the server cannot be asked. */
  async tryToHold(signal: AbortSignal): Promise<boolean> {
    const { kube, clock, name, namespace, identity } = this.#options
    // the holder writes over what it wrote last: no read, and a conflict tells that it is not alone
    let lease = this.#seen?.['spec'].holderIdentity === identity ? this.#seen : undefined
    if (!lease) {
      lease = await kube.find(Lease, name, namespace, { signal })
      if (lease?.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) this.#seenAt = clock.monotonic()
      this.#seen = lease
      if (lease && this.#isHeld(lease)) return false
    }
    try {
      const next = this.#next(lease)
      this.#seen = lease ? await kube.replace(Lease, next, { signal }) : await kube.create(Lease, next, { signal })
      this.#seenAt = clock.monotonic()
      return true
    } catch (error) {
      this.#seen = undefined
      if (isConflict(error) || isAlreadyExists(error)) return false
      throw error
    }
  }

  /** Lets the next one lead at once. */
  async release(): Promise<void> {
    const { kube, clock, log, identity, name } = this.#options
    const held = this.#seen
    this.#seen = undefined
    if (held?.['spec'].holderIdentity !== identity) return
    const spec = { ...held['spec'], holderIdentity: '', leaseDurationSeconds: 1, renewTime: rfc3339Micro(clock.now()) }
    const attempt = new AbortController()
    const cancel = clock.after(releaseMs, () => attempt.abort())
    await kube.replace(Lease, { ...held, spec } as any, { signal: attempt.signal }).catch((error) => {
      log.debug({}, `lease ${name} was not released: ${errorMessage(error)}`)
    })
    cancel()
  }

  #isHeld(lease: KubeObject): boolean {
    const { holderIdentity, leaseDurationSeconds = 15 } = lease['spec'] ?? {}
    if (!holderIdentity || holderIdentity === this.#options.identity) return false
    return this.#options.clock.monotonic() - this.#seenAt < leaseDurationSeconds * 1000
  }

  #next(lease: KubeObject | undefined): any {
    const { clock, name, namespace, identity } = this.#options
    const now = rfc3339Micro(clock.now())
    const old = lease?.['spec'] ?? {}
    const ours = old.holderIdentity === identity
    return {
      ...(lease ?? { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace } }),
      spec: {
        ...old,
        holderIdentity: identity,
        leaseDurationSeconds: Math.round(this.#durationMs / 1000),
        acquireTime: ours ? old.acquireTime : now,
        renewTime: now,
        leaseTransitions: lease ? (old.leaseTransitions ?? 0) + (ours ? 0 : 1) : 0,
      },
    }
  }
}
