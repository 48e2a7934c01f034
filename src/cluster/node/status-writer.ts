import { ApiError, type Kube, type objects, Pod } from '#kube'
import { backoffDelay, type Clock, deferred, equal, errorMessage, type Logger } from '#lib'

/** Brings one pod's status to the API: the latest counts, one write at a time, again and again until it is there. */
export class StatusWriter {
  readonly #kube: Kube
  readonly #clock: Clock
  readonly #log: Logger
  readonly #signal: AbortSignal
  readonly #pod: { name: string; namespace: string; uid: string }
  #wanted: objects.PodStatus | undefined
  #written: objects.PodStatus | undefined
  #gone = false
  #writing: Promise<void> | undefined
  #idle = deferred<void>()

  constructor(options: {
    kube: Kube
    clock: Clock
    log: Logger
    signal: AbortSignal
    pod: { name: string; namespace: string; uid: string }
  }) {
    this.#kube = options.kube
    this.#clock = options.clock
    this.#log = options.log
    this.#signal = options.signal
    this.#pod = options.pod
  }

  set(status: objects.PodStatus): void {
    if (this.#gone || equal(status, this.#wanted)) return
    this.#wanted = status
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      this.#idle.resolve()
      this.#idle = deferred()
    })
  }

  /** Resolves when the API has the latest status, or the pod is gone there. */
  async flushed(): Promise<void> {
    while (this.#writing) await this.#idle.promise
  }

  /** Those of a resize come and go; what was written of it goes by name, for lists are merged. */
  #conditions(status: objects.PodStatus): object[] | undefined {
    const here = new Set(status.conditions?.map(({ type }) => type))
    const gone = (this.#written?.conditions ?? []).filter(({ type }) => !here.has(type))
    return (
      status.conditions && [...status.conditions.map(whole), ...gone.map(({ type }) => ({ $patch: 'delete', type }))]
    )
  }

  async #write(): Promise<void> {
    const { name, namespace, uid } = this.#pod
    for (let failures = 0; this.#wanted !== this.#written && !this.#gone && !this.#signal.aborted; ) {
      const status = this.#wanted!
      try {
        // Strategic: conditions merge by type, so that those of others (readiness gates, DisruptionTarget) stay.
        await this.#kube.patch(
          Pod,
          { name, namespace },
          { metadata: { uid }, status: { ...status, conditions: this.#conditions(status) } },
          {
            type: 'strategic',
            subresource: 'status',
            signal: this.#signal,
          },
        )
        this.#written = status
        failures = 0
      } catch (error) {
        if (error instanceof ApiError && (error.code === 404 || error.code === 409)) {
          this.#gone = error.code === 404 || /uid|precondition/i.test(error.message)
          if (this.#gone) return
        }
        if (failures === 3)
          this.#log.warn({ pod: `${namespace}/${name}` }, `status not written: ${errorMessage(error)}`)
        await this.#clock.sleep(backoffDelay(failures++, { initial: 50, max: 5000 }), this.#signal)
      }
    }
  }
}

/** Conditions are merged by type: what was the reason of the old status must not stand beside the new one. */
function whole(condition: objects.PodCondition): object {
  return { reason: null, message: null, ...condition }
}
