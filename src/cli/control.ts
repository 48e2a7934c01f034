// The control process: the Kubernetes API with its controllers and scheduler, and the platform on top of it.
import { clusterControllers, ensurePki, openClusterStore, startApiServer, startScheduler } from '#cluster'
import { createKube } from '#kube'
import { systemClock } from '#lib'
import { startOperator } from '#operator'
import { appController, createBuilder, installPlatform, startPlatformServer } from '#platform'
import { daemon } from './daemon.ts'
import { paths } from './home.ts'

await daemon('control', async ({ home, config, log, hostEnv, signal }) => {
  const clock = systemClock
  const { ports } = config
  const pki = await ensurePki(home)
  const store = await openClusterStore({ home, pki, clock, log })
  const api = await startApiServer({ home, pki, store, host: '127.0.0.1', port: ports.api, clock, log, signal })
  const kube = createKube(api.transport(), { userAgent: 'cuddle-control' })
  const settings = {
    baseDomain: 'localhost',
    scheme: 'http' as const,
    routerPort: ports.router === 80 ? undefined : ports.router,
    platformUrl: `http://127.0.0.1:${ports.git}`,
  }
  await installPlatform(kube, settings, clock, log)
  const builder = createBuilder({ home, layout: paths(home).images, clock, log, hostEnv })
  const platform = await startPlatformServer({
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
  const onDestroyed = async (app: string) => {
    await platform.removeRepository(app)
    await builder.forget(app)
  }
  const operator = startOperator({
    kube,
    controllers: [...clusterControllers({ clock }), appController({ onDestroyed })],
    clock,
    log,
    signal,
  })
  const scheduler = startScheduler({ kube, clock, log, signal })
  await operator.ready
  return async () => {
    await platform.close()
    await Promise.all([operator.stopped, scheduler.stopped])
    await builder.close()
    await api.close()
    store.close()
  }
})
