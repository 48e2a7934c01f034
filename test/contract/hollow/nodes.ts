import { isNotFound, type Kube, Lease, Node } from '#kube'
import { type Clock, rfc3339, rfc3339Micro } from '#lib'

export interface NodeOptions {
  labels?: Record<string, string>
  taints?: object[]
  /** Capacity, of which all is allocatable. */
  capacity?: Record<string, string>
}

const leaseNamespace = 'kube-node-lease'
/** Heartbeats are this far apart, ms. */
const pulseMs = 1_500

/** Node objects that nobody is behind, kept alive by their leases (KEP-589) until told otherwise. */
export class Nodes {
  readonly #kube: Kube
  readonly #clock: Clock
  readonly #alive = new Map<string, string>()
  #count = 0

  constructor(kube: Kube, clock: Clock) {
    this.#kube = kube
    this.#clock = clock
  }

  /** Renews leases until the signal aborts. */
  async beat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Who is slow keeps none of the others waiting.
      for (const name of this.#alive.keys()) void this.#renew(name)
      await this.#clock.sleep(pulseMs, signal)
    }
  }

  async add(name: string, { labels, taints, capacity }: NodeOptions = {}): Promise<void> {
    const address = `192.0.2.${(this.#count++ % 250) + 1}`
    const resources = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi', ...capacity }
    await this.#kube.create(Node, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', ...labels } },
      spec: { ...(taints && { taints }) },
    } as any)
    this.#alive.set(name, address)
    await this.#renew(name)
    const addresses = [{ type: 'InternalIP', address }]
    const status = { capacity: resources, allocatable: resources, addresses, conditions: this.#conditions('True') }
    await this.#kube.patch(Node, { name }, { status }, { subresource: 'status' })
  }

  /** Where a node is reached; undefined when its kubelet is gone or was never ours. */
  addressOf(name: string): string | undefined {
    return this.#alive.get(name)
  }

  /** The node says itself that it is not well, or well again. */
  async report(name: string, ready: boolean): Promise<void> {
    const status = { conditions: this.#conditions(ready ? 'True' : 'False') }
    await this.#kube.patch(Node, { name }, { status }, { type: 'strategic', subresource: 'status' })
  }

  /** Its kubelet falls silent. */
  silence(name: string): void {
    this.#alive.delete(name)
  }

  /** Its kubelet is back. */
  async revive(name: string): Promise<void> {
    const { status } = await this.#kube.get(Node, name)
    const address = (status as any).addresses[0].address
    this.#alive.set(name, address)
    await this.#renew(name)
    await this.report(name, true)
  }

  #conditions(status: string): object[] {
    const time = rfc3339(this.#clock.now())
    const [reason, message] =
      status === 'True' ? ['KubeletReady', 'kubelet is posting ready status'] : ['KubeletNotReady', 'told to be so']
    return [{ type: 'Ready', status, reason, message, lastHeartbeatTime: time, lastTransitionTime: time }]
  }

  async #renew(name: string): Promise<void> {
    const renewTime = rfc3339Micro(this.#clock.now())
    const metadata = { name, namespace: leaseNamespace }
    try {
      await this.#kube.patch(Lease, metadata, { spec: { renewTime } })
    } catch (error) {
      if (!isNotFound(error) || !this.#alive.has(name)) return
      const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime }
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
      await this.#kube.create(Lease, lease as any).catch(() => {})
    }
  }
}
