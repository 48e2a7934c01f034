import type { Kube } from '#kube'
import { errorMessage, systemClock } from '#lib'
import type { Controller } from '#operator'
import {
  Ahead,
  createBuilder,
  type Delivery,
  keepHouse,
  openLayout,
  type PlatformServer,
  platformControllers,
  type Settings,
  SignalStore,
  startPlatformServer,
  startSignalServer,
} from '#platform'
import type { Daemon } from './daemon.ts'
import { paths } from './home.ts'

/** Where the platform works: an API, and how controllers are run on it. */
export interface Place {
  kube: Kube
  /** `ready`: they work; `stopped`: they have ended after the signal. */
  run(controllers: Controller<any>[]): Promise<{ ready: Promise<void>; stopped: Promise<void> }>
  gitRoot: string
  /** Where the API server reaches this process; without it the BEAM's signals are not served to it. */
  metricsHost?: string
  /** Folder of the built images. */
  images: string
  /** Where they go when pods do not run on this machine. */
  delivery?: Delivery
}

/** What the daemons tell the platform of this machine. */
export function settingsOf({ config: { ports } }: Pick<Daemon, 'config'>): Settings {
  return {
    baseDomain: 'localhost',
    scheme: 'http',
    routerPort: ports.router === 80 ? undefined : ports.router,
    platformUrl: `http://127.0.0.1:${ports.git}`,
  }
}

/** The platform's controllers, builder and git server. Resolves when all of it works, with what ends it. */
export async function startPlatform(
  { home, config, log, hostEnv, signal }: Daemon,
  { kube, run, gitRoot, images, delivery, metricsHost }: Place,
): Promise<() => Promise<void>> {
  const clock = systemClock
  const layout = openLayout(images)
  const builder = createBuilder({ home, layout, clock, log, hostEnv, ...(delivery && { delivery }) })
  let platform: PlatformServer | undefined
  const onDestroyed = async (app: string) => {
    await platform?.removeRepository(app)
    await builder.forget(app)
  }
  const signals = new SignalStore()
  const ahead = new Ahead({ kube, clock, layout })
  const controllers = await run(platformControllers({ kube, clock, log, signal, signals, layout, ahead, onDestroyed }))
  platform = await startPlatformServer({
    kube,
    clock,
    log,
    builder,
    ahead,
    hostEnv,
    signal,
    gitRoot,
    uploads: paths(home).uploads,
    host: '127.0.0.1',
    port: config.ports.git,
  })
  const { busy, packRepository } = platform
  const housekeeping = keepHouse({ kube, layout, busy, packRepository, clock, log, signal })
  await controllers.ready
  // Nobody who waits for the cluster waits for its metrics.
  const metrics =
    metricsHost === undefined
      ? undefined
      : startSignalServer({
          kube,
          store: signals,
          clock,
          log,
          host: metricsHost,
          port: 0,
          withdraw: delivery !== undefined,
          signal,
        }).catch((error) => void log.error({ error: errorMessage(error) }, 'the metrics server does not start'))
  return async () => {
    await platform.close()
    await (await metrics)?.close()
    await controllers.stopped
    await housekeeping
    await builder.close()
  }
}
