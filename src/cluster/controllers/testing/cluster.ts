import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createKube, isConflict, isNotFound, type Kube, type KubeObject, Node, type objects, Pod } from '#kube'
import { rfc3339, silentLogger, systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { startApiServer } from '../../api/index.ts'
import { ensurePki } from '../../pki/index.ts'
import { schedulerController } from '../../scheduler/index.ts'
import { Store } from '../../store/index.ts'
import type { MetricsSource } from '../hpa/metrics.ts'
import { startClusterControllers } from '../index.ts'
import { follow } from '../shared/index.ts'

/** How a hollow kubelet treats a pod: what it becomes once it is bound; what is stuck does not stop either. @default Running and ready */
export type Fate = (pod: objects.Pod) => 'ready' | 'running' | 'succeed' | 'fail' | 'pending' | 'stuck'

export interface TestCluster {
  readonly kube: Kube
  /** Decides about pods from now on, those that are there included. */
  fate(fate: Fate): void
}

/** A whole control plane in this process, with nodes whose pods run nothing. Stopped when the test ends. */
export async function startTestCluster(
  t: TestContext,
  { nodes = 1, metrics }: { nodes?: number; metrics?: MetricsSource } = {},
): Promise<TestCluster> {
  const home = temporaryDirectory(t)
  mkdirSync(join(home, 'store'), { recursive: true })
  const stop = new AbortController()
  const options = { clock: systemClock, log: silentLogger, signal: stop.signal }
  const pki = await ensurePki(home)
  const store = Store.open({
    path: join(home, 'store', 'state.db'),
    encryptionKey: join(home, 'pki', 'encryption.key'),
    log: silentLogger,
  })
  const api = await startApiServer({ pki, store, port: 0, ...options })
  const kube = createKube(api.transport())
  const also = [schedulerController(options)]
  const control = startClusterControllers({ kube, caCertificate: pki.ca.cert, metrics, also, ...options })
  const kubelet = new HollowKubelet(kube, stop.signal)
  const following = follow(kube, Pod, kubelet, options)
  t.after(async () => {
    stop.abort()
    await Promise.all([control.stopped, following])
    kube.close()
    await api.close()
    await store.close()
  })
  await control.ready
  for (let index = 0; index < nodes; index++) {
    const node = hollowNode(index)
    const { name } = await kube.create(Node, node as any).then(({ metadata }) => metadata)
    await kube.patch(Node, { name: name! }, { status: node.status }, { type: 'merge', subresource: 'status' })
  }
  return { kube, fate: (fate) => kubelet.decide(fate) }
}

function hollowNode(index: number): KubeObject {
  const name = `node-${index}`
  const time = rfc3339(systemClock.now())
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index}` },
    },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: time, lastHeartbeatTime: time },
      ],
    },
  }
}

/** Gives bound pods an address and their fate, and lets deleted ones go. */
class HollowKubelet {
  readonly #kube: Kube
  readonly #signal: AbortSignal
  readonly #pods = new Map<string, objects.Pod>()
  #fate: Fate = () => 'ready'
  #addresses = 0

  constructor(kube: Kube, signal: AbortSignal) {
    this.#kube = kube
    this.#signal = signal
  }

  decide(fate: Fate): void {
    this.#fate = fate
    for (const pod of this.#pods.values()) this.set(pod)
  }

  list(pods: objects.Pod[]): void {
    for (const pod of pods) this.set(pod)
  }

  set(pod: objects.Pod): void {
    this.#pods.set(pod.metadata.uid!, pod)
    if (!pod.spec?.nodeName) return
    void this.#act(pod).catch((error) => {
      if (!isNotFound(error) && !isConflict(error) && !this.#signal.aborted) throw error
    })
  }

  remove(pod: objects.Pod): void {
    this.#pods.delete(pod.metadata.uid!)
  }

  async #act(pod: objects.Pod): Promise<void> {
    const { name, namespace, uid, deletionTimestamp } = pod.metadata
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    const fate = this.#fate(pod)
    if (fate === 'stuck') return
    if (deletionTimestamp) {
      if (!finished) await this.#report(pod, 'Succeeded', false)
      return this.#kube.delete(Pod, name!, namespace, { gracePeriodSeconds: 0, preconditions: { uid: uid! } })
    }
    if (finished || fate === 'pending') return
    if (fate === 'succeed' || fate === 'fail') return this.#report(pod, fate === 'fail' ? 'Failed' : 'Succeeded', false)
    await this.#report(pod, 'Running', fate === 'ready')
  }

  async #report(pod: objects.Pod, phase: string, ready: boolean): Promise<void> {
    const was = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status
    if (pod.status?.phase === phase && was === (ready ? 'True' : 'False')) return
    const lastTransitionTime = rfc3339(systemClock.now())
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready')
    const podIP = pod.status?.podIP ?? `127.64.${this.#addresses >> 8}.${(this.#addresses++ & 255) + 1}`
    const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime }
    const status = { phase, podIP, podIPs: [{ ip: podIP }], conditions: [...others, condition] }
    const { name, namespace } = pod.metadata
    await this.#kube.patch(Pod, { name: name!, namespace }, { status }, { type: 'merge', subresource: 'status' })
  }
}
