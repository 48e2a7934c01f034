import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { systemClock } from '#lib'
import { type Operator, startOperator } from '#operator'
import { keepToken, leaseName, openDelivery, systemNamespace } from '#platform'
import { startPlatform } from './control-platform.ts'
import type { Daemon } from './daemon.ts'
import { identityOf, paths } from './home.ts'

/** The platform on a cluster that is run by others, with the token that `cuddle up` got for it and that is renewed here. */
export async function startOnCluster(daemon: Daemon): Promise<() => Promise<void>> {
  const { home, config, log, signal } = daemon
  const clock = systemClock
  const { platformKubeconfig, platformToken, platformGit, platformImages } = paths(home)
  const kube = createKube(httpTransport(loadKubeConfig({ path: platformKubeconfig })), { userAgent: 'cuddle-control' })
  const renewed = keepToken({ kube, file: platformToken, clock, log, signal })
  // Never two drive the apps, whatever `cuddle up` saw; restarted, we need not wait for our own lease.
  const lease = { name: leaseName, namespace: systemNamespace, identity: identityOf(home) }
  const stop = await startPlatform(daemon, {
    kube,
    gitRoot: platformGit,
    images: platformImages,
    ...(config.cluster!.metricsHost && { metricsHost: config.cluster!.metricsHost }),
    delivery: await openDelivery(kube, config.cluster!.registry),
    run: async (controllers) => {
      const operator = startOperator({ kube, controllers, signal, clock, log, lease })
      return { ready: synced(operator, signal), stopped: operator.stopped }
    },
  })
  return async () => {
    await stop()
    await renewed
    kube.close()
  }
}

/** Resolves when the caches are filled: leading may be another's, and pushes are taken all the same. */
async function synced(operator: Operator, signal: AbortSignal): Promise<void> {
  while (!operator.health().ready && !signal.aborted) await systemClock.sleep(20, signal)
}
