import { readFile } from 'node:fs/promises'
import { EndpointSlice, Ingress, type Kube, type objects, Service } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger, writeFileAtomic } from '#lib'
import { controller, startOperator } from '#operator'
import type { Nameserver } from '../resolv-conf.ts'
import type { RouterLimits } from './context.ts'
import type { Zone } from './dns/index.ts'
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
  /** Answers for `cluster.local`, and keeps in this file where it listens: pods that run have been told. @default no DNS */
  dnsFile?: string
}

export interface Network {
  readonly router: Router
  /** Resolves when the first view has come from the API; rejects when stopped before. */
  readonly synced: Promise<void>
  readonly view: RouteView
  /** Where the cluster's DNS listens; undefined when there is none. */
  readonly nameserver: Promise<Nameserver | undefined>
  /** Resolves when the signal has aborted and everything is closed. */
  readonly stopped: Promise<void>
}

/** A home each, where port 53 may be had; else any port, which Erlang's resolver can be told. */
const dnsPlaces: readonly Nameserver[] = [
  ...Array.from({ length: 40 }, (_, index) => ({ host: `127.60.0.${index + 1}`, port: 53 })),
  { host: '127.0.0.1', port: 0 },
]

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
  let zone: Zone | undefined
  const rebuild = () => {
    dirty = false
    zone = undefined
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

  // Pods start without names rather than not at all.
  const nameserver =
    options.dnsFile === undefined
      ? Promise.resolve(undefined)
      : startNames(options.dnsFile).catch((error) => {
          log.error({}, `the cluster has no DNS: ${errorMessage(error)}`)
          return undefined
        })
  async function startNames(file: string): Promise<Nameserver | undefined> {
    const { startDns, zoneOf } = await import('./dns/index.ts')
    const { lister } = operator
    const known = () => (live ? (zone ??= zoneOf(lister.list(Service), lister.list(EndpointSlice))) : undefined)
    const kept = await readFile(file, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined)
    const places = [...(kept ? [kept as Nameserver] : []), ...dnsPlaces]
    const at = await startDns({ places, zone: known, clock, log, signal })
    if (!at) log.warn({}, 'the cluster has no DNS: no address to listen on')
    else writeFileAtomic(file, JSON.stringify(at), 0o600)
    return at
  }

  const stopped = operator.stopped.then(async () => {
    cancelSave?.()
    save()
    proxy?.close()
    await router.close()
  })
  return {
    router,
    synced,
    nameserver,
    stopped,
    get view() {
      return view
    },
  }
}
