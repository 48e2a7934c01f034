import { join } from 'node:path'
import { createKube, type Kube, Namespace, type objects, Pod } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import { startApiServer } from '../../api/index.ts'
import { ensurePki } from '../../pki/index.ts'
import { Store } from '../../store/index.ts'
import { type NodeAgent, type NodeAgentOptions, startNodeAgent } from '../index.ts'

/** For tests: the real API server with a node agent, and helpers that read as use. */
export interface TestCluster {
  home: string
  url: string
  kube: Kube
  agent: NodeAgent
  options: NodeAgentOptions
  /** Creates a pod on node-0 and returns a reader of its current state. */
  run(name: string, spec: Partial<objects.PodSpec>, metadata?: Partial<objects.ObjectMeta>): Promise<TestPod>
}

export interface TestPod {
  get(): Promise<objects.Pod>
  /** Waits until the pod is as wanted. */
  until(wanted: (pod: objects.Pod) => unknown, what?: string): Promise<objects.Pod>
  /** What it has printed once that is so many lines. */
  logged(lines: number): Promise<string[]>
  log(options?: { container?: string; previous?: boolean; tailLines?: number; timestamps?: boolean }): Promise<string[]>
}

interface TestContext {
  after(fn: () => unknown): void
}

/** The environment of the tests, as an entry point would pass it. */
export const hostEnv = { PATH: process.env['PATH'], LANG: 'C.UTF-8' }

export async function testCluster(t: TestContext, options: Partial<NodeAgentOptions> = {}): Promise<TestCluster> {
  const { home, kube, url, defer } = await testApi(t)
  const agentOptions: NodeAgentOptions = { ...agentDefaults(home, kube), ...options }
  const agent = await startNodeAgent(agentOptions)
  defer(() => agent.close({ stopPods: true, graceMs: 0 }))
  await agent.registered
  return { home, url, kube, agent, options: agentOptions, run: (...rest) => runPod(kube, ...rest) }
}

/** The API alone. `defer`: what is to be done at the end, the last one first, before the API goes. */
export async function testApi(
  t: TestContext,
): Promise<{ home: string; kube: Kube; url: string; defer(fn: () => unknown): void }> {
  const deferred: (() => unknown)[] = []
  t.after(async () => {
    const errors: unknown[] = []
    for (const fn of deferred.reverse()) await Promise.resolve(fn()).catch((error) => errors.push(error))
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join('; '))
  })
  const home = temporaryDirectory(t)
  const stop = new AbortController()
  const pki = await ensurePki(home)
  const store = Store.open({ path: join(home, 'store/state.db'), encryptionKey: pki.encryptionKey })
  const api = await startApiServer({ pki, store, port: 0, signal: stop.signal })
  const kube = createKube(api.transport())
  deferred.push(async () => {
    stop.abort()
    kube.close()
    await api.close()
    store.close()
  })
  await kube
    .create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
    .catch((error) => error)
  return { home, kube, url: api.url, defer: (fn) => deferred.push(fn) }
}

export function agentDefaults(home: string, kube: Kube): NodeAgentOptions {
  const pki = { ca: join(home, 'pki/ca.crt'), cert: join(home, 'pki/node.crt'), key: join(home, 'pki/node.key') }
  const backoff = { initialMs: 200, maxMs: 1000, resetMs: 60_000 }
  return {
    home,
    kube,
    pki,
    backoff,
    hostEnv,
    clock: systemClock,
    log: silentLogger,
    signal: new AbortController().signal,
  }
}

export async function runPod(
  kube: Kube,
  name: string,
  spec: Partial<objects.PodSpec>,
  metadata: Partial<objects.ObjectMeta> = {},
): Promise<TestPod> {
  const containers = spec.containers?.map((container) => ({ image: 'cuddle.local/host', ...container }))
  await kube.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', ...metadata },
    spec: { nodeName: 'node-0', automountServiceAccountToken: false, ...spec, containers },
  } as any)
  return podNamed(kube, name)
}

export function podNamed(kube: Kube, name: string): TestPod {
  const get = () => kube.get(Pod, name, 'shop')
  const log: TestPod['log'] = async (options = {}) => {
    const lines: string[] = []
    for await (const line of kube.logs(name, 'shop', options)) lines.push(line)
    return lines
  }
  return {
    get,
    log,
    logged(count) {
      const enough = async () => {
        const lines = await log()
        return lines.length >= count ? lines : undefined
      }
      return until(enough, { what: `pod ${name} to print ${count} lines` })
    },
    async until(wanted, what) {
      let last: objects.Pod | undefined
      return until(
        async () => {
          last = await get()
          return wanted(last) ? last : undefined
        },
        { what: what ?? `pod ${name}: ${wanted}` },
      ).catch((error) => {
        throw new Error(`${error.message}\n${JSON.stringify(last?.status, null, 1)}`)
      })
    },
  }
}

/** A container that runs a piece of shell. */
export function shell(script: string, more: Partial<objects.Container> = {}): objects.Container {
  return { name: 'main', image: 'cuddle.local/host', command: ['/bin/sh', '-c', script], ...more }
}

export function condition(pod: objects.Pod, type: string): string | undefined {
  return pod.status?.conditions?.find((item) => item.type === type)?.status
}

export function main(pod: objects.Pod): objects.ContainerStatus | undefined {
  return pod.status?.containerStatuses?.[0]
}
