/*
 * The public face. Each part is loaded when it is started: the node process needs no API server, and the API answers before the
 * controllers that work on it are loaded.
 */
import type { ApiServer, ApiServerOptions } from './api/index.ts'
import type { startClusterControllers as Controllers } from './controllers/index.ts'
import type { Network, NetworkOptions } from './network/index.ts'
import type { NodeAgent, NodeAgentOptions } from './node/index.ts'
import type { Store, StoreOptions } from './store/index.ts'

export type { ApiServer, ApiServerOptions, User } from './api/index.ts'
export type { Network } from './network/index.ts'
export type { NodeAgent } from './node/index.ts'
export { ensurePki, type Pki, writeKubeconfig } from './pki/index.ts'
export type { Store, StoreOptions } from './store/index.ts'

/** Opens the store of a home. CuddleErrors when it is damaged, newer, or held by another process. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { Store } = await import('./store/index.ts')
  return Store.open(options)
}

/** The API server; resolves when it listens and what every cluster has is there. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const api = await import('./api/index.ts')
  return api.startApiServer(options)
}

/** Controllers, garbage collector and scheduler, and those of `also`, on shared caches. */
export async function startClusterControllers(
  options: Parameters<typeof Controllers>[0],
): Promise<ReturnType<typeof Controllers>> {
  const [controllers, { schedulerController }] = await Promise.all([
    import('./controllers/index.ts'),
    import('./scheduler/index.ts'),
  ])
  const also = [schedulerController(options), ...(options.also ?? [])]
  return controllers.startClusterControllers({ ...options, also })
}

/** The router and the service proxy. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const network = await import('./network/index.ts')
  return network.startNetwork(options)
}

/** The node agent of this machine, for all virtual nodes. */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeAgent> {
  const node = await import('./node/index.ts')
  return node.startNodeAgent(options)
}
