// The node process: runs the pods of this machine and routes requests to them. It outlives control, and pods outlive it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startNetwork, startNodeAgent } from '#cluster'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { systemClock } from '#lib'
import { daemon } from './daemon.ts'
import { paths } from './home.ts'

await daemon('node', async ({ home, config, log, hostEnv, signal }) => {
  const clock = systemClock
  const pki = {
    ca: join(home, 'pki', 'ca.crt'),
    cert: join(home, 'pki', 'node.crt'),
    key: join(home, 'pki', 'node.key'),
  }
  // The certificates are made by control at its very first start.
  while (!existsSync(join(home, 'kubeconfig'))) await clock.sleep(10, signal)
  const { server } = loadKubeConfig({ path: join(home, 'kubeconfig') })
  const kube = createKube(httpTransport({ ...loadKubeConfig({ path: join(home, 'kubeconfig') }), server }), {
    userAgent: 'cuddle-node',
  })
  const network = await startNetwork({
    kube,
    routerPort: config.ports.router,
    clock,
    log,
    signal,
    viewFile: join(home, 'node', 'routes.json'),
  })
  const agent = await startNodeAgent({ home, kube, nodes: config.nodes, pki, clock, log, signal, hostEnv })
  return async () => {
    await agent.close({ stopPods: existsSync(paths(home).stopping) })
    await network.stopped
    kube.close()
  }
})
