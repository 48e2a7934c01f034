import { type Kube, Pod } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Controller, controller } from '#operator'
import { App, type AppObject, labels } from '../kinds.ts'
import { type Mesh, startMesh } from './mesh.ts'
import { beamNodeLabel, beamPod } from './nodes.ts'

/**
 * Connects the BEAM nodes of each app to each other after every start, scale, kill and rollout. Costs nothing for apps that
 * are no clusters: the caches are shared with the other controllers, and the BEAM client is loaded for the first node.
 */
export function meshController(options: {
  /** Meshes outlive the pass that starts them, and so the pass's own client. */
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
}): Controller<AppObject> {
  const { kube, clock, log, signal } = options
  const meshes = new Map<string, { mesh: Mesh; stop: AbortController }>()
  return controller(App, {
    name: 'cuddle-beam',
    watches: [
      {
        type: Pod,
        map: ({ metadata }) =>
          metadata.labels?.[beamNodeLabel] === 'true' ? [{ name: metadata.labels[labels.app] }] : [],
      },
    ],
    filter: () => false,
  }).step('mesh', (axn) => {
    const pods = axn.lister
      .list(Pod, { namespace: axn.name, labels: { [beamNodeLabel]: 'true' } })
      .flatMap((pod) => beamPod(pod) ?? [])
    const found = meshes.get(axn.name)
    if (pods.length === 0) {
      found?.stop.abort()
      meshes.delete(axn.name)
      return axn
    }
    if (found) {
      found.mesh.want(pods)
      return axn
    }
    const stop = new AbortController()
    const mesh = startMesh({
      app: axn.name,
      kube,
      clock,
      log,
      signal: AbortSignal.any([signal, stop.signal]),
    })
    mesh.want(pods)
    mesh.stopped.catch((error) => log.error({ app: axn.name, error }, 'connecting the nodes ended'))
    meshes.set(axn.name, { mesh, stop })
    return axn
  })
}
