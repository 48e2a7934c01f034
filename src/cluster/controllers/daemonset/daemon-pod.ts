import { DaemonSet, type KubeObject, type objects } from '#kube'
import { equal } from '#lib'
import { podFromTemplate, revisionLabel } from '../shared/index.ts'

const generationAnnotation = 'deprecated.daemonset.template.generation'

/** What every daemon puts up with, so that it stays where others are sent away (AddOrUpdateDaemonPodTolerations). */
const tolerations: readonly objects.Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]

/** The tolerations of a DaemonSet's pods. */
export function daemonTolerations(spec: objects.PodSpec | undefined): objects.Toleration[] {
  const network = { key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }
  const all = [...(spec?.tolerations ?? [])]
  for (const toleration of [...tolerations, ...(spec?.hostNetwork ? [network] : [])])
    if (!all.some((own) => equal(own, toleration))) all.push(toleration)
  return all
}

/** The node that a daemon pod is on or is meant for: until it is bound, its affinity names it. */
export function nodeOf(pod: objects.Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  for (const { matchFields } of required?.nodeSelectorTerms ?? []) {
    const field = matchFields?.find(({ key, operator }) => key === 'metadata.name' && operator === 'In')
    if (field?.values?.length === 1) return field.values[0]
  }
  return undefined
}

/** A daemon pod for one node. The scheduler binds it; the template's own required affinity has been checked already. */
export function daemonPod(set: objects.DaemonSet, node: string, hash: string): KubeObject {
  const template = set.spec!.template as Record<string, any>
  const pod = podFromTemplate(DaemonSet, set as any, template, { generateName: `${set.metadata.name}-` })
  const generation = set.metadata.annotations?.[generationAnnotation]
  pod.metadata.labels = {
    ...pod.metadata.labels,
    [revisionLabel]: hash,
    ...(generation ? { 'pod-template-generation': generation } : {}),
  }
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }]
  const { affinity } = pod.spec
  pod.spec.affinity = {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  }
  pod.spec.tolerations = daemonTolerations(template['spec'])
  return pod
}
