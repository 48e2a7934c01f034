import type { KubeObject, objects } from '#kube'
import { aloneNode, beamNodeLabel, schedulers } from '#manifests'
import { processOf } from '../processes.ts'

export { aloneNode, beamNodeLabel }

/** A pod as a node of its app's BEAM cluster: everything that reaching it takes, but the cookie itself. */
export interface BeamPod {
  pod: string
  uid: string
  process: string
  namespace: string
  /** The node's whole name, `shop@10.0.0.7`. */
  name: string
  host: string
  port: number
  /** Another one: the node was started anew, under the same name. */
  restarts: number
  ready: boolean
  /** Whether it is one of the app's cluster, or only to be read. */
  clustered: boolean
  /** How many schedulers the CPU that it has now is worth; undefined where the app decides. */
  schedulers: number | undefined
  /** The Secret that holds the cookie, and the key in it. */
  cookie: { name: string; key: string }
}

/**
 * Reads from a pod what its manifest says of its node. Undefined for pods that are no BEAM nodes, that do not run yet, and
 * (unless `leaving` asks for just these) that are about to go: those keep their connections but get no new ones.
 */
export function beamPod(pod: objects.Pod & KubeObject, { leaving = false } = {}): BeamPod | undefined {
  const { metadata, spec, status } = pod
  const label = metadata.labels?.[beamNodeLabel]
  if ((label !== 'true' && label !== aloneNode) || !status?.podIP) return undefined
  if ((metadata.deletionTimestamp !== undefined) !== leaving) return undefined
  const container = spec?.containers.find((one) => one.env?.some(({ name }) => name === 'RELEASE_COOKIE'))
  const state = status.containerStatuses?.find(({ name }) => name === container?.name)
  if (!container || !state?.state?.running) return undefined
  const variable = (name: string) => container.env?.find((one) => one.name === name)
  const cookie = variable('RELEASE_COOKIE')?.valueFrom?.secretKeyRef
  const name = variable('RELEASE_NODE')?.value?.replaceAll('$(POD_IP)', status.podIP)
  const port = container.ports?.find((one) => one.name === 'dist')?.containerPort
  if (!cookie?.name || !name || !port) return undefined
  return {
    pod: metadata.name!,
    uid: metadata.uid ?? '',
    process: processOf(pod),
    namespace: metadata.namespace!,
    name,
    host: status.podIP,
    port,
    restarts: state.restartCount ?? 0,
    ready: status.conditions?.some((item) => item.type === 'Ready' && item.status === 'True') ?? false,
    clustered: label === 'true',
    schedulers: schedulersOf(variable('ERL_FLAGS')?.value, state.resources?.requests?.['cpu']),
    cookie: { name: cookie.name, key: cookie.key },
  }
}

/** Only where the flags are the platform's own: whoever sets their own decides about schedulers too. */
function schedulersOf(flags: string | undefined, cpu: string | number | undefined): BeamPod['schedulers'] {
  const match = /^\+S (\d+):\d+ \+SDcpu \1:/.exec(flags ?? '')
  if (!match || cpu === undefined) return undefined
  return Math.min(Number(match[1]), schedulers(cpu).online)
}

/** Pairs of nodes that do not know each other, each pair once. Of nodes that did not answer (`undefined`) nothing is said. */
export function missingLinks(known: ReadonlyMap<string, readonly string[] | undefined>): [from: string, to: string][] {
  const names = [...known.keys()].sort()
  const missing: [string, string][] = []
  names.forEach((from, index) => {
    for (const to of names.slice(index + 1)) {
      const [ofFrom, ofTo] = [known.get(from), known.get(to)]
      if (ofFrom && !ofFrom.includes(to)) missing.push([from, to])
      else if (ofTo && !ofTo.includes(from)) missing.push([to, from])
    }
  })
  return missing
}
