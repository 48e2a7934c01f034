/** The two servers: how each is started for the suite, and how it is reached. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePki, openStore, startApiServer, startClusterControllers } from '#cluster'
import { createKube, loadKubeConfig } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { startRealCluster } from '../kubernetes/cluster.ts'
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
}

type Context = { after(fn: () => void | Promise<void>): void }

/** The embedded cluster without nodes, in this process. */
export async function startOurs(t: Context): Promise<TestEnd> {
  const home = temporaryDirectory(t)
  const stop = new AbortController()
  const options = { clock: systemClock, log: silentLogger, signal: stop.signal }
  const pki = await ensurePki(home)
  const store = await openStore({ path: join(home, 'store', 'state.db'), encryptionKey: pki.encryptionKey })
  const api = await startApiServer({ pki, store, port: 0, ...options })
  const kube = createKube(api.transport())
  const control = await startClusterControllers({ kube, caCertificate: pki.ca.cert, ...options })
  t.after(async () => {
    stop.abort()
    await control.stopped
    kube.close()
    await api.close()
    await store.close()
  })
  await control.ready
  return { host: '127.0.0.1', port: api.port, ca: pki.ca.cert, ...pki.admin, controllers: true }
}

/**
 * The real one: the cluster of KUBECONFIG when USE_EXISTING_CLUSTER is true, programs in KUBEBUILDER_ASSETS (both as in
 * controller-runtime's envtest), or those that test/kubernetes/build.sh has built. Else the reason why there is none.
 */
export async function startReal(t: Context, env: NodeJS.ProcessEnv): Promise<TestEnd | { missing: string }> {
  if (env['USE_EXISTING_CLUSTER'] === 'true') return existing(env['KUBECONFIG'])
  const programs = findPrograms(env, { build: false })
  if ('missing' in programs) return programs
  const home = mkdtempSync(join(tmpdir(), 'cuddle-contract-'))
  t.after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))
  const cluster = await startRealCluster({ home, programs })
  t.after(() => cluster.stop())
  const { pki, port, controllers } = cluster
  return { host: '127.0.0.1', port, ca: pki.ca.cert, ...pki.admin, controllers }
}

function existing(kubeconfig: string | undefined): TestEnd | { missing: string } {
  if (!kubeconfig) return { missing: 'USE_EXISTING_CLUSTER is set, and KUBECONFIG is not' }
  const { server, ca, cert, key } = loadKubeConfig({ path: kubeconfig })
  if (!ca || !cert || !key) return { missing: `${kubeconfig} has no authority or no client certificate` }
  const url = new URL(server)
  return { host: url.hostname, port: Number(url.port || 443), ca, cert, key, controllers: true }
}
