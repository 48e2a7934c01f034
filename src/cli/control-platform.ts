import { startClusterControllers } from '#cluster'
import { createKube, type Transport } from '#kube'
import { systemClock } from '#lib'
import {
  appController,
  createBuilder,
  installPlatform,
  keepHouse,
  meshController,
  openLayout,
  type PlatformServer,
  startPlatformServer,
} from '#platform'
import type { Daemon } from './daemon.ts'
import { paths } from './home.ts'

/**
 * What control does besides serving the API: controllers, scheduler, the platform and git. Resolves when all of it works, with
 * what ends it.
 */
export async function startPlatform(
  { home, config, log, hostEnv, signal }: Daemon,
  transport: Transport,
  caCertificate: string,
): Promise<() => Promise<void>> {
  const clock = systemClock
  const { ports } = config
  const kube = createKube(transport, { userAgent: 'cuddle-control' })
  const settings = {
    baseDomain: 'localhost',
    scheme: 'http' as const,
    routerPort: ports.router === 80 ? undefined : ports.router,
    platformUrl: `http://127.0.0.1:${ports.git}`,
  }
  await installPlatform(kube, settings, clock, log)
  const layout = openLayout(paths(home).images)
  const builder = createBuilder({ home, layout, clock, log, hostEnv })
  let platform: PlatformServer | undefined
  const onDestroyed = async (app: string) => {
    await platform?.removeRepository(app)
    await builder.forget(app)
  }
  const controllers = await startClusterControllers({
    kube,
    clock,
    log,
    signal,
    caCertificate,
    also: [appController({ onDestroyed }), meshController({ kube, clock, log, signal })],
  })
  platform = await startPlatformServer({
    kube,
    clock,
    log,
    builder,
    hostEnv,
    signal,
    gitRoot: paths(home).git,
    uploads: paths(home).uploads,
    host: '127.0.0.1',
    port: ports.git,
  })
  const { busy, packRepository } = platform
  const housekeeping = keepHouse({ kube, layout, busy, packRepository, clock, log, signal })
  await controllers.ready
  return async () => {
    await platform.close()
    await controllers.stopped
    await housekeeping
    await builder.close()
  }
}
