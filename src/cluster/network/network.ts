import { readFile } from 'node:fs/promises'
import { EndpointSlice, Ingress, type Kube, type objects, Service } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger, writeFileAtomic } from '#lib'
import { controller, startOperator } from '#operator'
import type { RouterLimits } from './context.ts'
import { ServiceProxy } from './proxy.ts'
import { type Router, startRouter } from './router.ts'
import { emptyView, type RouteView, routeView, viewFromJson, viewToJson } from './view.ts'

export interface NetworkOptions {
  kube: Kube
  /** 0: any free one. */
  routerPort: number
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** Keeps the last view (`routes.json`), so that a restarted process serves at once, also with the API away. */
  viewFile?: string
  limits?: Partial<RouterLimits>
  /** How many requests the access log remembers. @default 0, none */
  accessLog?: number
  /** @default true */
  serviceProxy?: boolean
  /** Only Ingresses of this class are served. @default all */
  ingressClass?: string
}

export interface Network {
  readonly router: Router
  /** Resolves when the first view has come from the API; rejects when stopped before. */
  readonly synced: Promise<void>
  readonly view: RouteView
  /** Resolves when the signal has aborted and everything is closed. */
  readonly stopped: Promise<void>
}

/** Pause between two writings of the view's file, ms. */
const saveEveryMs = 500

/**
 * Starts the router and the service proxy and feeds them from the API: every change of an Ingress, a Service or an
 * EndpointSlice is in force in the turn in which its event arrives. Rejects when the port of the router is taken.
 */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { kube, clock, log, signal, viewFile } = options
  const router = await startRouter({ ...options, port: options.routerPort, signal: undefined }).catch((error) => {
    if (error?.code !== 'EADDRINUSE') throw error
    throw new CuddleError('PortTaken', `port ${options.routerPort} is taken, so the router cannot listen`, {
      hint: 'choose another port for the router, or stop what listens there',
      cause: error,
    })
  })
  const proxy = options.serviceProxy === false ? undefined : new ServiceProxy({ clock, log })
  let view = emptyView
  let saved = ''
  let cancelSave: (() => void) | undefined

  const save = () => {
    cancelSave = undefined
    const text = viewToJson(view)
    if (viewFile === undefined || text === saved) return
    try {
      writeFileAtomic(viewFile, text, 0o600)
      saved = text
    } catch (error) {
      log.warn({ file: viewFile }, `the routes could not be saved: ${errorMessage(error)}`)
    }
  }
  const take = (next: RouteView) => {
    view = next
    router.update(view)
    proxy?.update(view)
  }

  const kept = viewFile === undefined ? undefined : viewFromJson(await readFile(viewFile, 'utf8').catch(() => ''))
  if (kept) take(kept)

  const { ingressClass } = options
  const isOurs = ({ spec }: objects.Ingress) => ingressClass === undefined || spec?.ingressClassName === ingressClass

  let dirty = false
  let live = false
  const rebuild = () => {
    dirty = false
    if (!live || signal.aborted) return
    const { lister } = operator
    const ingresses = lister.list(Ingress).filter(isOurs)
    take(routeView(ingresses, lister.list(Service), lister.list(EndpointSlice)))
    if (viewFile !== undefined) cancelSave ??= clock.after(saveEveryMs, save)
  }
  // Routes are one whole, not one object each: events are heard through `map`, and no key is ever reconciled.
  const changed = () => {
    if (!dirty) queueMicrotask(rebuild)
    dirty = true
    return []
  }
  const watches = [Ingress, Service, EndpointSlice].map((type) => ({ type, map: changed }))
  const routes = controller(Ingress, { name: 'router', watches, filter: () => false })
  const operator = startOperator({ kube, controllers: [routes], signal, clock, log, maxRetryMs: 300 })
  const synced = operator.ready.then(() => {
    live = true
    rebuild()
  })
  // Stopped before the API was ever reached: only who waits for it need know.
  synced.catch(() => {})

  const stopped = operator.stopped.then(async () => {
    cancelSave?.()
    save()
    proxy?.close()
    await router.close()
  })
  return {
    router,
    synced,
    stopped,
    get view() {
      return view
    },
  }
}
