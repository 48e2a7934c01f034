import type { KubeObject, objects } from '#kube'
import { handoverAnnotation, leaveSeconds } from '#manifests'
import { type BeamPod, beamPod } from '../beam/nodes.ts'
import { labels } from '../kinds.ts'

type Pod = objects.Pod & KubeObject

/** A BEAM node that was told to stop and still runs. */
export interface Leaving {
  uid: string
  node: BeamPod
  /** Module with `handover/1`, as an atom; undefined when there is nothing to hand over. */
  handover: string | undefined
  /** Port that its users come in by. */
  port: number | undefined
  /** Seconds from the order to stop until SIGTERM at the latest, and until SIGKILL. */
  holdSeconds: number
  graceSeconds: number
}

/**
 * What a pod that stops needs. Undefined for pods that stay, that run no node any more, and that are to be gone at once.
 * A grace period that was set for this deletion alone (`kubectl delete --grace-period`) is shared out as the usual one is.
 */
export function leaving(pod: Pod): Leaving | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds: grace = 0, uid, annotations } = pod.metadata
  if (!deletionTimestamp || grace <= 0) return undefined
  const node = beamPod(pod, { leaving: true })
  if (!node) return undefined
  const container = pod.spec?.containers.find(({ name }) => name === node.process) ?? pod.spec?.containers[0]
  return {
    uid: uid!,
    node,
    handover: annotations?.[handoverAnnotation],
    port: container?.ports?.find(({ name }) => name === 'http' || name === 'tcp')?.containerPort,
    graceSeconds: grace,
    holdSeconds: Math.min(leaveSeconds, grace) + Math.floor(Math.max(0, grace - leaveSeconds) / 2),
  }
}

/**
 * Who takes over from a node that leaves: ready nodes of the same process that stay. While two versions run these are the
 * nodes of the newer one alone, for the others are about to leave too.
 */
export function heirs(pods: readonly Pod[], leaver: BeamPod): BeamPod[] {
  const staying = pods
    .filter((pod) => pod.metadata.labels?.[labels.process] === leaver.process)
    .flatMap((pod) => {
      const node = beamPod(pod)
      return node?.ready ? [{ node, version: versionOf(pod), born: pod.metadata.creationTimestamp ?? '' }] : []
    })
    .sort((a, b) => (a.born < b.born ? 1 : a.born > b.born ? -1 : 0))
  return staying.filter(({ version }) => version === staying[0].version).map(({ node }) => node)
}

function versionOf({ metadata }: Pod): string | undefined {
  return metadata.labels?.['pod-template-hash'] ?? metadata.labels?.['controller-revision-hash']
}
