// The node process: runs the pods of this machine and routes requests to them. It outlives control, and pods outlive it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startNetwork, startNodeAgent } from '#cluster'
import { type ClusterConfig, createKube, httpTransport, loadKubeConfig } from '#kube'
import { systemClock } from '#lib'
import { type Daemon, daemon } from './daemon.ts'
import { paths, routerClass } from './home.ts'

/**
 * The certificates are made by control at its very first start, and it puts the kubeconfig right at every one: what stands
 * there before may be of another port, or damaged.
 */
async function credentials(path: string, port: number, signal: AbortSignal): Promise<ClusterConfig> {
  const deadline = systemClock.monotonic() + 10_000
  for (;;) {
    try {
      if (existsSync(path)) return { ...loadKubeConfig({ path }), server: `https://127.0.0.1:${port}` }
    } catch (error) {
      if (systemClock.monotonic() > deadline) throw error
    }
    await systemClock.sleep(10, signal)
  }
}

/** For a cluster with nodes of its own: requests from this machine go to its pods, whose addresses it must be able to reach. */
async function routeOnly({ home, config, log, signal }: Daemon): Promise<() => Promise<void>> {
  const cluster = loadKubeConfig({ path: paths(home).platformKubeconfig })
  const kube = createKube(httpTransport(cluster), { userAgent: 'cuddle-router' })
  const network = await startNetwork({
    kube,
    routerPort: config.ports.router,
    clock: systemClock,
    log,
    signal,
    viewFile: join(home, 'platform', 'routes.json'),
    serviceProxy: false,
    ingressClass: routerClass,
  })
  return async () => {
    await network.stopped
    kube.close()
  }
}

await daemon('node', async (context) => {
  const { home, config, log, hostEnv, signal } = context
  if (config.cluster) return routeOnly(context)
  const clock = systemClock
  const pki = {
    ca: join(home, 'pki', 'ca.crt'),
    cert: join(home, 'pki', 'node.crt'),
    key: join(home, 'pki', 'node.key'),
  }
  const kube = createKube(httpTransport(await credentials(join(home, 'kubeconfig'), config.ports.api, signal)), {
    userAgent: 'cuddle-node',
  })
  const network = await startNetwork({
    kube,
    routerPort: config.ports.router,
    clock,
    log,
    signal,
    viewFile: join(home, 'node', 'routes.json'),
    dnsFile: join(home, 'node', 'dns.json'),
  })
  const { nameserver } = network
  const { nodes, capacity } = config
  const options = { home, kube, nodes, pki, clock, log, signal, hostEnv, nameserver }
  const agent = await startNodeAgent({ ...options, ...(capacity && { capacity }) })
  return async () => {
    await agent.close({ stopPods: existsSync(paths(home).stopping) })
    await network.stopped
    kube.close()
  }
})
