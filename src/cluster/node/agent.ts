import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { type Kube, type objects, Pod, Service } from '#kube'
import { type Clock, errorMessage, type Logger, sha256, shortHash } from '#lib'
import type { Nameserver } from '../resolv-conf.ts'
import { AddressPool } from './address.ts'
import { type Cgroups, findCgroups } from './cgroups.ts'
import type { NodeContext } from './context.ts'
import { loadRecords, PodDirectory } from './directory.ts'
import { EventRecorder } from './events.ts'
import { follow } from './follow.ts'
import { ImageStore } from './images.ts'
import { MemoryGuard } from './memory-guard.ts'
import { findNamespaces } from './mounts.ts'
import type { BackoffRules } from './plan.ts'
import { findByEnvironment, signal as sendSignal, sessionUsage } from './proc.ts'
import { freshRecord } from './record.ts'
import { keepRegistered } from './registration.ts'
import { startKubeletServer } from './server.ts'
import { installShim, isShim } from './shim.ts'
import type { UsageMeter } from './summary.ts'
import { collectClaims } from './volumes.ts'
import { PodWorker } from './worker.ts'

export interface NodeAgentOptions {
  home: string
  kube: Kube
  /** Virtual nodes `node-0` …; they share the capacity. @default 1 */
  nodes?: number
  /** Paths: serving certificate and key of the kubelet API, authority of its clients. */
  pki: { cert: string; key: string; ca: string }
  clock: Clock
  log: Logger
  /** Aborted: no more writes to the API. Processes live on; see close(). */
  signal: AbortSignal
  /** PATH and LANG of these reach the containers, nothing else of this process does. */
  hostEnv: Readonly<Record<string, string | undefined>>
  /** Of all nodes together. @default what the machine has */
  capacity?: { cpu?: number; memoryBytes?: number }
  /** Restart backoff. @default 10 s doubling to 300 s, reset by a run of 10 minutes, as the kubelet */
  backoff?: Partial<BackoffRules>
  /** `false`: limit memory by looking, as where this process may not make cgroups. @default as the machine allows */
  cgroups?: false
  /** Port of the kubelet API on 127.0.0.1. @default any free one */
  port?: number
  /** Of the cluster. @default none: pods resolve names as the machine does */
  nameserver?: Promise<Nameserver | undefined>
}

export interface NodeAgent {
  readonly kubeletPort: number
  /** Resolves when all nodes are registered. */
  readonly registered: Promise<void>
  /** What each running pod uses now, by uid: CPU time so far in ms, resident memory in bytes. Costs one pass over /proc. */
  stats(): PodUsage[]
  /**
   * Lets go: pods run on and are adopted by the next agent. With `stopPods` they are ended first (within `graceMs`, or
   * their own grace period where that is shorter) and start again with the next agent.
   */
  close(options?: { stopPods?: boolean; graceMs?: number }): Promise<void>
}

export interface PodUsage {
  uid: string
  name: string
  namespace: string
  containers: { name: string; cpuMs: number; memoryBytes: number }[]
}

const hostIP = '127.0.0.1'
/** Lost file events are made up for so often, ms. */
const checkMs = 10_000
const collectMs = 600_000

/** Starts the node agent: a kubelet whose pods are supervised local processes. */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeAgent> {
  const agent = new Agent(options)
  await agent.start()
  return agent
}

class Agent implements NodeAgent {
  kubeletPort = 0
  readonly registered: Promise<void>
  readonly #options: NodeAgentOptions
  readonly #nodes: Map<string, NodeContext>
  readonly #workers = new Map<string, PodWorker>()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #directory: string
  readonly #images: ImageStore
  readonly #guard: MemoryGuard
  readonly #cgroups: Cgroups | undefined
  /** Processes of this home carry it. */
  readonly #mark: string
  #server: { close(): Promise<void> } | undefined
  #loops: Promise<unknown>[] = []
  #registered: () => void = () => {}
  #meter: UsageMeter | undefined

  constructor(options: NodeAgentOptions) {
    this.#options = options
    const { home, kube, clock, log, hostEnv } = options
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal])
    this.#directory = join(home, 'node')
    this.#mark = shortHash(this.#directory)
    this.#guard = new MemoryGuard(clock)
    this.#cgroups = options.cgroups === false ? undefined : findCgroups()
    const count = options.nodes ?? 1
    const machine = { cpu: cpus().length, memoryBytes: totalmem(), ...options.capacity }
    this.#images = new ImageStore({
      layout: join(home, 'images'),
      directory: this.#directory,
      log,
      now: () => clock.now(),
    })
    const kubernetes = cached(() => kube.find(Service, 'kubernetes', 'default'))
    const shared = {
      kube,
      clock,
      log,
      hostEnv,
      hostIP,
      mark: this.#mark,
      images: this.#images,
      events: new EventRecorder({ kube, clock, log, signal: this.#signal }),
      cgroups: this.#cgroups,
      guard: this.#guard,
      allocatable: { cpu: machine.cpu / count, memoryBytes: Math.floor(machine.memoryBytes / count) },
      pods: join(this.#directory, 'pods'),
      claims: join(this.#directory, 'volumes'),
      shim: installShim(this.#directory),
      backoff: { initialMs: 10_000, maxMs: 300_000, resetMs: 600_000, ...options.backoff },
      kubernetesService: kubernetes,
      nameserver: options.nameserver ?? Promise.resolve(undefined),
      namespaces: once(() => findNamespaces(hostEnv['PATH'] ?? '/usr/bin:/bin')),
    }
    const contexts = Array.from({ length: count }, (_, index): [string, NodeContext] => {
      const name = `node-${index}`
      const records = () => this.#records(name)
      return [name, { ...shared, name, records, addresses: new AddressPool(index, firstAddress(this.#mark)) }]
    })
    this.#nodes = new Map(contexts)
    this.registered = new Promise((resolve) => {
      this.#registered = resolve
    })
  }

  async start(): Promise<void> {
    const { pki, clock, log, kube, port = 0 } = this.#options
    await this.#adopt()
    const serve = (at: number) =>
      startKubeletServer({
        cert: readFileSync(pki.cert),
        key: readFileSync(pki.key),
        ca: readFileSync(pki.ca),
        host: hostIP,
        port: at,
        clock,
        log,
        find: (namespace, pod, container, previous) => this.#log(namespace, pod, container, previous),
        streams: {
          container: (namespace, pod, container) => this.#container(namespace, pod, container),
          pod: (namespace, pod) => {
            const worker = this.#find(namespace, pod)
            return worker ? { pod: worker.record.pod, ip: worker.record.ip } : { missing: `pod "${pod}" not found` }
          },
        },
        summary: async () => {
          this.#meter ??= new (await import('./summary.ts')).UsageMeter(clock, () => this.stats())
          return this.#meter.summary()
        },
      })
    // The port of the last time, so that the API server need not learn a new one; unless someone else has it now.
    const portFile = join(this.#directory, 'kubelet-port')
    const last = port || Number(existsSync(portFile) ? readFileSync(portFile, 'latin1') : 0)
    const server = await serve(last || firstPort(this.#mark)).catch((error) => {
      if (port || error.code !== 'EADDRINUSE') throw error
      return serve(0)
    })
    this.#server = server
    this.kubeletPort = server.port
    writeFileSync(portFile, String(server.port))
    this.#loops = [
      this.#register(),
      this.#watchPods(kube),
      this.#look(),
      this.#collect(),
      this.#images.prefetch(this.#signal),
    ]
  }

  stats(): PodUsage[] {
    const sessions = new Set(
      [...this.#workers.values()].flatMap((worker) => [...worker.containers.attempts().values()].map(({ pid }) => pid)),
    )
    const usage = sessionUsage(sessions)
    return [...this.#workers.values()].map((worker) => ({
      uid: worker.uid,
      name: worker.record.pod.metadata.name!,
      namespace: worker.record.pod.metadata.namespace!,
      containers: [...worker.containers.attempts()].map(([name, { pid }]) => ({
        name,
        ...(usage.get(pid) ?? { cpuMs: 0, memoryBytes: 0 }),
      })),
    }))
  }

  async close({ stopPods = false, graceMs = 10_000 }: { stopPods?: boolean; graceMs?: number } = {}): Promise<void> {
    this.#stop.abort()
    this.#guard.close()
    await this.#server?.close()
    const workers = [...this.#workers.values()]
    if (stopPods) {
      await Promise.all(workers.map((worker) => worker.suspend(graceMs)))
      // What stayed behind: epmd, which BEAM pods share.
      await endProcesses(`CUDDLE_NODE=${this.#mark}`)
    }
    for (const worker of workers) worker.close()
    this.#cgroups?.close()
    await Promise.all(this.#loops)
  }

  /** Takes up the pods that are on the disk, before the API has said a word. */
  async #adopt(): Promise<void> {
    const { log } = this.#options
    for (const { uid, record } of loadRecords(join(this.#directory, 'pods'))) {
      const node = record && this.#nodes.get(record.pod.spec?.nodeName ?? '')
      if (!record || !node) {
        log.warn({ uid }, 'a pod on disk cannot be read or belongs to no node: ending its processes')
        await endProcesses(`CUDDLE_POD_UID=${uid}`)
        new PodDirectory(join(this.#directory, 'pods'), uid).remove()
        continue
      }
      if (record.ip) node.addresses.hold(record.ip)
      const worker = this.#work(node, uid, record)
      await worker.adopt()
      worker.wake()
    }
  }

  #work(node: NodeContext, uid: string, record: PodWorker['record']): PodWorker {
    const worker = new PodWorker({ node, directory: new PodDirectory(node.pods, uid), record, signal: this.#signal })
    this.#workers.set(uid, worker)
    void worker.done.then(() => this.#workers.delete(uid))
    return worker
  }

  #records(node: string): PodWorker['record'][] {
    return [...this.#workers.values()].map(({ record }) => record).filter(({ pod }) => pod.spec?.nodeName === node)
  }

  async #register(): Promise<void> {
    const { kube, clock, log } = this.#options
    let missing = this.#nodes.size
    const registered = new Set<string>()
    await Promise.all(
      [...this.#nodes.values()].map((node, index) =>
        keepRegistered(
          {
            kube,
            clock,
            log,
            signal: this.#signal,
            node: {
              name: node.name,
              index,
              podCIDR: node.addresses.cidr,
              hostIP,
              kubeletPort: this.kubeletPort,
              capacity: node.allocatable,
            },
          },
          () => {
            if (registered.has(node.name)) return
            registered.add(node.name)
            if (--missing === 0) this.#registered()
          },
        ),
      ),
    )
  }

  #watchPods(kube: Kube): Promise<void> {
    const { clock, log } = this.#options
    return follow(
      { kube, type: Pod, clock, log, signal: this.#signal },
      {
        replace: (pods) => {
          const there = new Set(pods.map(({ metadata }) => metadata.uid))
          for (const [uid, worker] of this.#workers) if (!there.has(uid)) worker.remove()
          for (const pod of pods) this.#changed(pod)
        },
        changed: (pod) => this.#changed(pod),
        removed: (pod) => this.#workers.get(pod.metadata.uid ?? '')?.remove(),
      },
    )
  }

  #changed(pod: objects.Pod): void {
    const node = this.#nodes.get(pod.spec?.nodeName ?? '')
    const uid = pod.metadata.uid
    if (!node || !uid) return
    const known = this.#workers.get(uid)
    if (known) {
      known.update(pod)
      return
    }
    const { phase } = pod.status ?? {}
    // Ended earlier and nothing of it is here: only its deletion is left to confirm.
    if ((phase === 'Succeeded' || phase === 'Failed') && !pod.metadata.deletionTimestamp) return
    try {
      this.#work(node, uid, freshRecord(pod, this.#options.clock.now())).wake()
    } catch (error) {
      this.#options.log.error({ pod: pod.metadata.name }, `pod refused: ${errorMessage(error)}`)
    }
  }

  async #look(): Promise<void> {
    while (!this.#signal.aborted) {
      await this.#options.clock.sleep(checkMs, this.#signal)
      for (const worker of this.#workers.values()) worker.containers.check()
    }
  }

  async #collect(): Promise<void> {
    const { clock, log } = this.#options
    while (!this.#signal.aborted) {
      await clock.sleep(collectMs, this.#signal)
      if (this.#signal.aborted) return
      const used = new Set<string>()
      for (const { record } of this.#workers.values()) {
        for (const { image } of [...(record.pod.spec?.initContainers ?? []), ...(record.pod.spec?.containers ?? [])]) {
          used.add(image?.split('@')[1] ?? '')
        }
      }
      await collectClaims(this.#options.kube, join(this.#directory, 'volumes')).catch((error) =>
        log.warn({}, `claims not collected: ${errorMessage(error)}`),
      )
      await this.#images.collect(used).catch((error) => log.warn({}, `images not collected: ${errorMessage(error)}`))
    }
  }

  #find(namespace: string, pod: string): PodWorker | undefined {
    const found = [...this.#workers.values()].filter(
      ({ record }) => record.pod.metadata.name === pod && record.pod.metadata.namespace === namespace,
    )
    return found.find(({ record }) => !record.stopping) ?? found[0]
  }

  #container(namespace: string, pod: string, container: string) {
    const worker = this.#find(namespace, pod)
    if (!worker) return { missing: `pod "${pod}" not found` }
    // An error of its own making to the kubelet, not of the client's.
    return worker.containers.running(container) ?? { missing: `container not found ("${container}")`, code: 500 }
  }

  #log(namespace: string, pod: string, container: string, previous: boolean) {
    const worker = this.#find(namespace, pod)
    if (!worker) return { missing: `pod "${pod}" not found` }
    const log = worker.containers.log(container, previous)
    if (log) return log
    return {
      missing: previous
        ? `previous terminated container "${container}" in pod "${pod}" not found`
        : `container "${container}" in pod "${pod}" has not started`,
    }
  }
}

/** Ends whatever carries a mark. Shims write down how it ended, and end by themselves. */
async function endProcesses(mark: string): Promise<void> {
  for (const { pid } of await findByEnvironment([mark])) if (!isShim(pid)) sendSignal(pid, 'SIGKILL')
}

/** Another one for every home: see AddressPool. */
function firstAddress(mark: string): number {
  return 1 + (Number.parseInt(sha256(mark).slice(0, 8), 16) % 65_534)
}

/** The kubelet API's, below those that the system gives to connections: one that restarts is to find its own free. */
function firstPort(mark: string): number {
  return 10_250 + (Number.parseInt(sha256(mark).slice(8, 16), 16) % 9_750)
}

function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined
  return () => {
    found ??= find()
    return found
  }
}

function cached<T>(load: () => Promise<T | undefined>): () => Promise<T | undefined> {
  let known: T | undefined
  return async () => {
    known ??= await load()
    return known
  }
}
