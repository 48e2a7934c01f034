// The control process: the Kubernetes API with its controllers and scheduler, and the platform on top of it.
import { join } from 'node:path'
import {
  ensurePki,
  Store,
  schedulerController,
  startApiServer,
  startClusterControllers,
  writeKubeconfig,
} from '#cluster'
import { createKube } from '#kube'
import { systemClock } from '#lib'
import {
  appController,
  createBuilder,
  installPlatform,
  openLayout,
  type PlatformServer,
  startPlatformServer,
} from '#platform'
import { daemon } from './daemon.ts'
import { paths } from './home.ts'

await daemon('control', async ({ home, config, log, hostEnv, signal }) => {
  const clock = systemClock
  const { ports } = config
  const pki = await ensurePki(home)
  const store = Store.open({
    path: join(home, 'store', 'state.db'),
    encryptionKey: join(home, 'pki', 'encryption.key'),
    log,
  })
  const api = await startApiServer({ pki, store, port: ports.api, clock, log, signal })
  writeKubeconfig(home, pki, api.url)
  const kube = createKube(api.transport(), { userAgent: 'cuddle-control' })
  const settings = {
    baseDomain: 'localhost',
    scheme: 'http' as const,
    routerPort: ports.router === 80 ? undefined : ports.router,
    platformUrl: `http://127.0.0.1:${ports.git}`,
  }
  await installPlatform(kube, settings, clock, log)
  const builder = createBuilder({ home, layout: openLayout(paths(home).images), clock, log, hostEnv })
  let platform: PlatformServer | undefined
  const onDestroyed = async (app: string) => {
    await platform?.removeRepository(app)
    await builder.forget(app)
  }
  const controllers = startClusterControllers({
    kube,
    clock,
    log,
    signal,
    caCertificate: pki.ca.cert,
    also: [schedulerController({ clock }), appController({ onDestroyed })],
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
  await controllers.ready
  return async () => {
    await platform.close()
    await controllers.stopped
    await builder.close()
    await api.close()
    await store.close()
  }
})
