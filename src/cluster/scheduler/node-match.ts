import { matchesLabels, type objects } from '#kube'
import type { PodInfo } from './pod-info.ts'

/** What of a node its selectors look at. */
type Labelled = { readonly name: string; readonly labels: Record<string, string> }

/** Does a toleration cover a taint? (core/v1 Toleration.ToleratesTaint) */
export function tolerates(toleration: objects.Toleration, taint: objects.Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  if (toleration.operator === 'Exists') return true
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '')
}

/** The first taint with one of the effects that the pod does not tolerate. */
export function untolerated(
  taints: readonly objects.Taint[],
  tolerations: readonly objects.Toleration[],
  effects: readonly string[],
): objects.Taint | undefined {
  for (const taint of taints) {
    if (effects.includes(taint.effect) && !tolerations.some((toleration) => tolerates(toleration, taint))) return taint
  }
  return undefined
}

/** nodeSelector and required node affinity: terms are alternatives, what is in one term must hold together. */
export function nodeMatches(pod: Pick<PodInfo, 'nodeSelector' | 'nodeAffinity'>, node: Labelled): boolean {
  if (pod.nodeSelector && !matchesLabels(pod.nodeSelector, node.labels)) return false
  const required = pod.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (!required) return true
  return (required.nodeSelectorTerms ?? []).some((term) => termMatches(term, node))
}

/** A term without any requirement matches nothing. */
export function termMatches(term: objects.NodeSelectorTerm, node: Labelled): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  return (
    expressions.every((requirement) => holds(requirement, node.labels)) &&
    fields.every((requirement) => holds(requirement, { 'metadata.name': node.name }))
  )
}

function holds(requirement: objects.NodeSelectorRequirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined
  const values = requirement.values ?? []
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number.parseInt(value, 10) > Number.parseInt(values[0], 10)
    case 'Lt':
      return value !== undefined && Number.parseInt(value, 10) < Number.parseInt(values[0], 10)
    default:
      return false
  }
}
