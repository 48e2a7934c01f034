export type { RouterLimits } from './context.ts'
export { type AccessLogEntry, latencyBounds, type RouteMetrics, type RouterMetrics } from './metrics.ts'
export { type Network, type NetworkOptions, startNetwork } from './network.ts'
export { ServiceProxy } from './proxy.ts'
export { type Router, type RouterOptions, startRouter } from './router.ts'
export {
  emptyView,
  type RouteEndpoint,
  type RoutePath,
  type RouteService,
  type RouteView,
  routeView,
  viewFromJson,
  viewToJson,
} from './view.ts'
