import { Event, type Kube, type KubeObject, type objects } from '#kube'
import { type Clock, errorMessage, type Logger, randomSuffix, rfc3339 } from '#lib'

interface Recorded {
  object: KubeObject
  count: number
  written: boolean
  dirty: boolean
}

/** Events wait so long, ms: what leads to a running pod goes first. */
const delay = 150
const remembered = 512

/** Writes Events about pods, one after the other and behind everything else; equal ones are counted on one object. */
export class EventRecorder {
  readonly #kube: Kube
  readonly #clock: Clock
  readonly #log: Logger
  readonly #signal: AbortSignal
  readonly #known = new Map<string, Recorded>()
  #running = false
  #named = 0

  constructor(options: { kube: Kube; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#kube = options.kube
    this.#clock = options.clock
    this.#log = options.log
    this.#signal = options.signal
  }

  record(pod: objects.Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    const { name, namespace, uid } = pod.metadata
    const text = message.slice(0, 1000)
    const key = [uid, reason, container, text].join('\0')
    const now = rfc3339(this.#clock.now())
    const known = this.#known.get(key)
    if (known) {
      known.count++
      known.dirty = true
      known.object['lastTimestamp'] = now
    } else {
      const kind = pod.spec?.initContainers?.some((item) => item.name === container) ? 'initContainers' : 'containers'
      const node = pod.spec?.nodeName ?? ''
      this.#known.set(key, {
        count: 1,
        written: false,
        dirty: true,
        object: {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: this.#name(name!), namespace: namespace! },
          involvedObject: {
            apiVersion: 'v1',
            kind: 'Pod',
            name,
            namespace,
            uid,
            ...(container && { fieldPath: `spec.${kind}{${container}}` }),
          },
          type,
          reason,
          message: text,
          firstTimestamp: now,
          lastTimestamp: now,
          source: { component: 'kubelet', host: node },
          reportingComponent: 'kubelet',
          reportingInstance: node,
        },
      })
      if (this.#known.size > remembered) this.#known.delete(this.#known.keys().next().value!)
    }
    if (!this.#running) void this.#drain()
  }

  /** In the order of the events, like those of client-go: describe shows what happened within a second in the order of names. */
  #name(pod: string): string {
    const time = Math.floor(this.#clock.now()).toString(16).padStart(12, '0')
    const count = (this.#named++ % 0x10000).toString(16).padStart(4, '0')
    return `${pod.slice(0, 230)}.${time}${count}${randomSuffix(4)}`
  }

  async #drain(): Promise<void> {
    this.#running = true
    await this.#clock.sleep(delay, this.#signal)
    for (;;) {
      const item = this.#signal.aborted ? undefined : this.#known.values().find(({ dirty }) => dirty)
      if (!item) break
      item.dirty = false
      await this.#write(item).catch((error) => {
        this.#log.debug({ reason: item.object['reason'] }, `event not recorded: ${errorMessage(error)}`)
      })
    }
    this.#running = false
  }

  async #write(item: Recorded): Promise<void> {
    const { object, count } = item
    const { name, namespace } = object.metadata
    if (item.written) {
      const patch = { count, lastTimestamp: object['lastTimestamp'] }
      await this.#kube.patch(Event, { name: name!, namespace: namespace! }, patch)
    } else {
      item.written = true
      await this.#kube.create(Event, { ...object, count } as any)
    }
  }
}
