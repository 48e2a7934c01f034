import type { Service } from './endpoints.ts'
import { RouteMetrics } from './metrics.ts'
import type { RoutePath } from './view.ts'

export interface Route {
  host: string
  path: string
  service: Service
  metrics: RouteMetrics
}

interface HostRoutes {
  exact: Map<string, Route>
  /** Longest path first. */
  prefixes: { path: string; route: Route }[]
  /** The route of `/`, when it is all there is: no path needs to be looked at. */
  only: Route | undefined
}

/** Finds the route of a host and path by the rules of networking.k8s.io/v1 Ingress. */
export class Matcher {
  readonly #hosts = new Map<string, HostRoutes>()
  readonly routes: Route[] = []

  constructor(
    hosts: ReadonlyMap<string, { paths: readonly RoutePath[] }>,
    service: (key: string) => Service,
    metrics: (host: string, path: string, service: string) => RouteMetrics = (...names) => new RouteMetrics(...names),
  ) {
    for (const [host, { paths }] of hosts) {
      const entry: HostRoutes = { exact: new Map(), prefixes: [], only: undefined }
      for (const { path, pathType, service: key } of paths) {
        const route: Route = { host, path, service: service(key), metrics: metrics(host, path, key) }
        this.routes.push(route)
        if (pathType === 'Exact') entry.exact.set(path, route)
        else entry.prefixes.push({ path: path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path, route })
      }
      entry.prefixes.sort((a, b) => b.path.length - a.path.length)
      if (entry.exact.size === 0 && entry.prefixes[0]?.path === '/') entry.only = entry.prefixes[0].route
      this.#hosts.set(host, entry)
    }
  }

  /** `host` without port, lower case; `target` as on the request line, origin form. */
  find(host: string, target: string): Route | undefined {
    const exact = this.#hosts.get(host)
    if (exact?.only) return exact.only
    const dot = host.indexOf('.')
    return (
      (exact && inHost(exact, target)) ??
      (dot > 0 ? inHost(this.#hosts.get(`*${host.slice(dot)}`), target) : undefined) ??
      inHost(this.#hosts.get(''), target)
    )
  }
}

function inHost(entry: HostRoutes | undefined, target: string): Route | undefined {
  if (!entry) return undefined
  if (entry.only) return entry.only
  const path = normalPath(target)
  const exact = entry.exact.get(path)
  if (exact) return exact
  for (const { path: prefix, route } of entry.prefixes) {
    if (prefix === '/' || path === prefix || (path.startsWith(prefix) && path[prefix.length] === '/')) return route
  }
  return undefined
}

/**
 * The path of a request target as rules are matched: without query, percent-decoded, dot segments resolved, so that
 * `/open/%2e%2e/admin` meets the rule of `/admin`. What is sent on is never changed.
 */
export function normalPath(target: string): string {
  const stop = target.search(/[?#]/)
  let path = stop < 0 ? target : target.slice(0, stop)
  if (path.includes('%')) {
    try {
      path = decodeURIComponent(path)
    } catch {
      // Not UTF-8: matched as it came.
    }
  }
  if (!path.includes('/.') && !path.includes('//')) return path
  const segments: string[] = []
  const parts = path.split('/').slice(1)
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1
    if (part === '..') segments.pop()
    else if (part !== '.' && (part !== '' || last)) segments.push(part)
    if (last && (part === '.' || part === '..')) segments.push('')
  }
  return `/${segments.join('/')}`
}

/** A Host field as rules are matched: lower case, without port and final dot. Undefined when it is none. */
export function normalHost(field: string): string | undefined {
  if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]*)(:\d{0,5})?$/.test(field)) return undefined
  const host = field.replace(/:\d*$/, '').toLowerCase()
  return host.endsWith('.') ? host.slice(0, -1) : host
}
