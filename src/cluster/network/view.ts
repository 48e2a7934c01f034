import type { objects } from '#kube'

export interface RoutePath {
  path: string
  pathType: 'Prefix' | 'Exact'
  /** `namespace/service:port` */
  service: string
}

export interface RouteEndpoint {
  address: string
  port: number
  /** `namespace/name` of the pod. */
  pod?: string
  ready: boolean
  serving: boolean
  terminating: boolean
}

export interface RouteService {
  endpoints: RouteEndpoint[]
  /** Seconds for which websockets of a pod that leaves stay open; absent: until the pod ends them. */
  drainSeconds?: number
  /** Where the service proxy listens for it; absent for headless services. */
  clusterIP?: string
  port?: number
}

/** All that the router and the service proxy know of the cluster. Hosts are lower case; `''` is any host, `*.x` one label. */
export interface RouteView {
  hosts: Map<string, { paths: RoutePath[] }>
  services: Map<string, RouteService>
}

/** Annotation of a Service: see RouteService.drainSeconds. */
const drainAnnotation = 'cuddle.dev/drain-seconds'

/** A view without anything. */
export const emptyView: RouteView = { hosts: new Map(), services: new Map() }

/**
 * What Ingress, Service and EndpointSlice objects say together. Endpoints without conditions count as ready, as the
 * EndpointSlice API documents; a backend that names an absent service or port gets a service without endpoints.
 */
export function routeView(
  ingresses: Iterable<objects.Ingress>,
  services: Iterable<objects.Service>,
  slices: Iterable<objects.EndpointSlice>,
): RouteView {
  const view: RouteView = { hosts: new Map(), services: new Map() }
  const slicesOf = new Map<string, objects.EndpointSlice[]>()
  for (const slice of slices) {
    const service = slice.metadata.labels?.['kubernetes.io/service-name']
    if (service === undefined || slice.addressType === 'FQDN') continue
    const key = `${slice.metadata.namespace}/${service}`
    const list = slicesOf.get(key)
    if (list) list.push(slice)
    else slicesOf.set(key, [slice])
  }
  const byName = new Map<string, objects.Service>()
  for (const service of services) {
    const name = `${service.metadata.namespace}/${service.metadata.name}`
    byName.set(name, service)
    const { clusterIP, ports } = service.spec ?? {}
    const drain = service.metadata.annotations?.[drainAnnotation] ?? ''
    for (const port of ports ?? []) {
      if ((port.protocol ?? 'TCP') !== 'TCP') continue
      const entry: RouteService = { endpoints: endpointsOf(slicesOf.get(name) ?? [], port.name ?? '') }
      if (clusterIP && clusterIP !== 'None') Object.assign(entry, { clusterIP, port: port.port })
      if (/^\d{1,6}$/.test(drain)) entry.drainSeconds = Number(drain)
      view.services.set(`${name}:${port.port}`, entry)
    }
  }
  const oldestFirst = [...ingresses].sort((a, b) => age(a) - age(b) || compare(nameOf(a), nameOf(b)))
  for (const ingress of oldestFirst) addIngress(view, ingress, byName)
  return view
}

function endpointsOf(slices: readonly objects.EndpointSlice[], portName: string): RouteEndpoint[] {
  const found = new Map<string, RouteEndpoint>()
  for (const slice of slices) {
    const port = slice.ports?.find((candidate) => (candidate.name ?? '') === portName)?.port
    if (port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const address = endpoint.addresses?.[0]
      if (address === undefined) continue
      const { ready = true, serving = ready, terminating = false } = endpoint.conditions ?? {}
      const entry: RouteEndpoint = { address, port, ready, serving, terminating }
      const target = endpoint.targetRef
      if (target?.kind === 'Pod') entry.pod = `${target.namespace}/${target.name}`
      // An endpoint may be in two slices while it moves between them: the better word counts.
      const key = `${address}:${port}`
      if (!found.get(key)?.ready) found.set(key, entry)
    }
  }
  return [...found.values()]
}

function addIngress(view: RouteView, ingress: objects.Ingress, services: Map<string, objects.Service>): void {
  const namespace = ingress.metadata.namespace ?? ''
  const add = (host: string, path: string, pathType: 'Prefix' | 'Exact', backend: objects.IngressBackend) => {
    const service = backend.service
    if (!service) return
    const name = `${namespace}/${service.name}`
    const port =
      service.port?.number ??
      services.get(name)?.spec?.ports?.find((candidate) => candidate.name === service.port?.name)?.port ??
      service.port?.name
    const key = `${name}:${port}`
    if (!view.services.has(key)) view.services.set(key, { endpoints: [] })
    const entry = view.hosts.get(host)
    const rule: RoutePath = { path, pathType, service: key }
    if (!entry) view.hosts.set(host, { paths: [rule] })
    else if (!entry.paths.some((other) => other.path === path && other.pathType === pathType)) entry.paths.push(rule)
  }
  for (const rule of ingress.spec?.rules ?? []) {
    for (const { path = '/', pathType, backend } of rule.http?.paths ?? [])
      add((rule.host ?? '').toLowerCase(), path, pathType === 'Exact' ? 'Exact' : 'Prefix', backend)
  }
  if (ingress.spec?.defaultBackend) add('', '/', 'Prefix', ingress.spec.defaultBackend)
}

const nameOf = (object: objects.Ingress) => `${object.metadata.namespace}/${object.metadata.name}`
const age = (object: objects.Ingress) => Date.parse(object.metadata.creationTimestamp ?? '') || 0
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The view as JSON, to be kept in a file. */
export function viewToJson(view: RouteView): string {
  return JSON.stringify({ hosts: [...view.hosts], services: [...view.services] })
}

/** Reads what viewToJson wrote; undefined when it is anything else. */
export function viewFromJson(text: string): RouteView | undefined {
  try {
    const value = JSON.parse(text)
    const view: RouteView = { hosts: new Map(value.hosts), services: new Map(value.services) }
    for (const { paths } of view.hosts.values()) for (const path of paths) if (typeof path.path !== 'string') return
    for (const { endpoints } of view.services.values())
      for (const endpoint of endpoints) if (typeof endpoint.address !== 'string') return
    return view
  } catch {
    return undefined
  }
}
