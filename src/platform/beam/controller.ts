import { type Kube, Pod } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Controller, controller } from '#operator'
import { App, type AppObject, labels } from '../kinds.ts'
import { type SignalStore, watchSignals } from '../signals/index.ts'
import { createLinks, type Links } from './links.ts'
import { type Mesh, startMesh } from './mesh.ts'
import { aloneNode, type BeamPod, beamNodeLabel, beamPod } from './nodes.ts'

/** What the platform does with the nodes of one app, over one connection to each. */
interface Followed {
  links: Links
  mesh: Mesh
  signals: { want(pods: readonly BeamPod[]): void } | undefined
  stop: AbortController
}

/**
 * Connects the BEAM nodes of each app to each other after every start, scale, kill and rollout, and reads their signals. Costs
 * nothing for other apps: the caches are shared with the other controllers, and the BEAM client is loaded for the first node.
 */
export function meshController(options: {
  /** Meshes outlive the pass that starts them, and so the pass's own client. */
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** Where signals go; without it none are read. */
  signals?: SignalStore
}): Controller<AppObject> {
  const { kube, clock, log } = options
  const apps = new Map<string, Followed>()

  function follow(app: string): Followed {
    const stop = new AbortController()
    const signal = AbortSignal.any([options.signal, stop.signal])
    const links = createLinks({ kube, clock, signal, onDown: (lastedMs) => mesh.down(lastedMs) })
    const mesh = startMesh({ app, links, kube, clock, log, signal })
    mesh.stopped.catch((error) => log.error({ app, error }, 'connecting the nodes ended'))
    signal.addEventListener('abort', () => links.close(), { once: true })
    const store = options.signals
    return { links, mesh, stop, signals: store && watchSignals({ app, links, store, clock, log, signal }) }
  }

  return controller(App, {
    name: 'cuddle-beam',
    // The way to nodes in networks that are not routed from here.
    rights: [{ apiGroups: [''], resources: ['pods/portforward'], verbs: ['create', 'get'] }],
    watches: [
      {
        type: Pod,
        map: ({ metadata }) =>
          metadata.labels?.[beamNodeLabel] === undefined ? [] : [{ name: metadata.labels[labels.app] }],
      },
    ],
    filter: () => false,
  }).step('mesh', (axn) => {
    const pods = ['true', aloneNode]
      .flatMap((value) => axn.lister.list(Pod, { namespace: axn.name, labels: { [beamNodeLabel]: value } }))
      .flatMap((pod) => beamPod(pod) ?? [])
    let found = apps.get(axn.name)
    if (pods.length === 0) {
      found?.stop.abort()
      found?.signals?.want([])
      apps.delete(axn.name)
      return axn
    }
    if (!found) apps.set(axn.name, (found = follow(axn.name)))
    found.links.keep(pods)
    found.mesh.want(pods.filter((pod) => pod.clustered))
    found.signals?.want(pods)
    return axn
  })
}
