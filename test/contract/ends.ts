/** The two servers: how each is started for the suite, and how it is reached. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePki, openStore, startApiServer, startClusterControllers, startNodeAgent } from '#cluster'
import { createKube, type Kube, loadKubeConfig } from '#kube'
import { type Clock, type Logger, silentLogger, systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { pushBusybox, whyNoBusybox } from '../kubernetes/busybox.ts'
import { type Flags, startRealCluster } from '../kubernetes/cluster.ts'
import { whyNoNode } from '../kubernetes/node/node.ts'
import { findPrograms } from '../kubernetes/programs.ts'

export interface TestEnd {
  host: string
  port: number
  /** PEM. */
  ca: string
  cert: string
  key: string
  /** False where controllers are missing: what needs them is left out. */
  controllers: boolean
  /** With a node: an image for it that has a shell and busybox. */
  image?: string
}

/** What makes our controllers faster than they are. */
type OurPeriods = Pick<Parameters<typeof startClusterControllers>[0], 'nodeGraceMs' | 'autoscalerPeriodMs'>

type Context = { after(fn: () => void | Promise<void>): void }

/** The embedded cluster in this process, without a node unless it is asked for. */
export async function startOurs(
  t: Context,
  { node = false, ...periods }: OurPeriods & { node?: boolean } = {},
): Promise<TestEnd> {
  const home = temporaryDirectory(t)
  const stop = new AbortController()
  const options = { clock: systemClock, log: silentLogger, signal: stop.signal }
  const pki = await ensurePki(home)
  const store = await openStore({ path: join(home, 'store', 'state.db'), encryptionKey: pki.encryptionKey })
  const api = await startApiServer({ pki, store, port: 0, ...options })
  const kube = createKube(api.transport())
  const control = await startClusterControllers({ kube, caCertificate: pki.ca.cert, ...periods, ...options })
  const agent = node ? await startAgent(home, kube, options) : undefined
  t.after(async () => {
    await agent?.close({ stopPods: true, graceMs: 0 })
    stop.abort()
    await control.stopped
    kube.close()
    await api.close()
    await store.close()
  })
  await control.ready
  await agent?.registered
  const image = node ? 'cuddle.local/host' : undefined
  return { host: '127.0.0.1', port: api.port, ca: pki.ca.cert, ...pki.admin, controllers: true, image }
}

function startAgent(home: string, kube: Kube, options: { clock: Clock; log: Logger; signal: AbortSignal }) {
  const file = (name: string) => join(home, 'pki', name)
  const pki = { ca: file('ca.crt'), cert: file('node.crt'), key: file('node.key') }
  return startNodeAgent({ home, kube, pki, hostEnv: { PATH: process.env['PATH'], LANG: 'C.UTF-8' }, ...options })
}

/**
 * The real one: the cluster of KUBECONFIG when USE_EXISTING_CLUSTER is true, programs in KUBEBUILDER_ASSETS (both as in
 * controller-runtime's envtest), or those that test/kubernetes/build.sh has built. Else the reason why there is none.
 */
export async function startReal(
  t: Context,
  env: NodeJS.ProcessEnv,
  { node = false, flags }: { node?: boolean; flags?: Flags } = {},
): Promise<TestEnd | { missing: string }> {
  if (env['USE_EXISTING_CLUSTER'] === 'true') {
    return node ? { missing: 'USE_EXISTING_CLUSTER has no registry of ours' } : existing(env['KUBECONFIG'])
  }
  const programs = findPrograms(env, { build: false })
  if ('missing' in programs) return programs
  const lacking = node ? (whyNoNode(programs) ?? whyNoBusybox()) : undefined
  if (lacking) return { missing: lacking }
  const home = mkdtempSync(join(tmpdir(), 'cuddle-contract-'))
  let stop = async () => {}
  t.after(async () => {
    await stop()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  })
  const cluster = await startRealCluster({ home, programs, node, flags })
  stop = cluster.stop
  const { pki, port, controllers } = cluster
  const image = cluster.node && (await pushBusybox(join(home, 'images'), cluster.node.registry))
  return { host: '127.0.0.1', port, ca: pki.ca.cert, ...pki.admin, controllers, image }
}

function existing(kubeconfig: string | undefined): TestEnd | { missing: string } {
  if (!kubeconfig) return { missing: 'USE_EXISTING_CLUSTER is set, and KUBECONFIG is not' }
  const { server, ca, cert, key } = loadKubeConfig({ path: kubeconfig })
  if (!ca || !cert || !key) return { missing: `${kubeconfig} has no authority or no client certificate` }
  const url = new URL(server)
  return { host: url.hostname, port: Number(url.port || 443), ca, cert, key, controllers: true }
}
