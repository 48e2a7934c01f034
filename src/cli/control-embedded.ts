import { startClusterControllers } from '#cluster'
import { createKube, type Transport } from '#kube'
import { systemClock } from '#lib'
import { installPlatform } from '#platform'
import { settingsOf, startPlatform } from './control-platform.ts'
import type { Daemon } from './daemon.ts'
import { paths } from './home.ts'

/**
 * What control does besides serving the API: controllers, scheduler, the platform and git. Resolves when all of it works, with
 * what ends it.
 */
export async function startOnOwnCluster(
  daemon: Daemon,
  transport: Transport,
  caCertificate: string,
): Promise<() => Promise<void>> {
  const { home, log, signal } = daemon
  const clock = systemClock
  const kube = createKube(transport, { userAgent: 'cuddle-control' })
  await installPlatform(kube, settingsOf(daemon), clock)
  return startPlatform(daemon, {
    kube,
    gitRoot: paths(home).git,
    metricsHost: '127.0.0.1',
    images: paths(home).images,
    run: (also) => startClusterControllers({ kube, clock, log, signal, caCertificate, also }),
  })
}
