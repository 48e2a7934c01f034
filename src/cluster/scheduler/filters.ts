import type { Neighbourhood } from './neighbours.ts'
import type { NodeInfo } from './node-info.ts'
import { nodeMatches, untolerated } from './node-match.ts'
import { type PodInfo, quantity } from './pod-info.ts'

/** Why a node will not do. `final`: no eviction of other pods would change that. */
export interface Refusal {
  reasons: string[]
  final: boolean
}

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const

/** May the pod go onto this node? Undefined = yes. Cheap checks first; the texts are upstream's. */
export function refuse(pod: PodInfo, node: NodeInfo, around: Neighbourhood): Refusal | undefined {
  if (node.unschedulable && untolerated([unschedulableTaint], pod.tolerations, ['NoSchedule']))
    return final('node(s) were unschedulable')
  if (node.taints.length > 0) {
    if (untolerated(node.taints, pod.tolerations, ['NoSchedule', 'NoExecute']))
      return final('node(s) had untolerated taint(s)')
  }
  if (!nodeMatches(pod, node)) return final("node(s) didn't match Pod's node affinity/selector")
  for (const { protocol, ip, port } of pod.hostPorts) {
    if (node.hasPort(protocol, ip, port)) return soft("node(s) didn't have free ports for the requested pod ports")
  }
  const lacking = insufficient(pod, node)
  if (lacking) return lacking
  return spreadRefusal(node, around) ?? affinityRefusal(pod, node, around)
}

function insufficient(pod: PodInfo, node: NodeInfo): Refusal | undefined {
  const reasons: string[] = []
  let never = false
  if (node.pods.size + 1 > node.allocatablePods) reasons.push('Too many pods')
  if (pod.cpu > 0 && node.cpu + pod.cpu > node.allocatableCpu) {
    reasons.push('Insufficient cpu')
    never ||= pod.cpu > node.allocatableCpu
  }
  if (pod.memory > 0 && node.memory + pod.memory > node.allocatableMemory) {
    reasons.push('Insufficient memory')
    never ||= pod.memory > node.allocatableMemory
  }
  for (const [resource, amount] of pod.extended ?? []) {
    const has = quantity(node.allocatable[resource])
    if (node.extended(resource) + amount > has) {
      reasons.push(`Insufficient ${resource}`)
      never ||= amount > has
    }
  }
  return reasons.length > 0 ? { reasons, final: never } : undefined
}

function spreadRefusal(node: NodeInfo, { spread }: Neighbourhood): Refusal | undefined {
  for (const { constraint, domains, least, self } of spread) {
    const value = node.labels[constraint.topologyKey]
    if (value === undefined)
      return final("node(s) didn't match pod topology spread constraints (missing required label)")
    if ((domains.get(value) ?? 0) + self - least > constraint.maxSkew)
      return soft("node(s) didn't match pod topology spread constraints")
  }
  return undefined
}

function affinityRefusal(pod: PodInfo, node: NodeInfo, around: Neighbourhood): Refusal | undefined {
  for (const [index, term] of pod.affinity.entries()) {
    const value = node.labels[term.topologyKey]
    const near = value !== undefined && (around.affinity[index].get(value) ?? 0) > 0
    if (!near && !(around.firstOfItsKind && value !== undefined))
      return final("node(s) didn't match pod affinity rules")
  }
  for (const [index, term] of pod.antiAffinity.entries()) {
    const value = node.labels[term.topologyKey]
    if (value !== undefined && (around.antiAffinity[index].get(value) ?? 0) > 0)
      return soft("node(s) didn't match pod anti-affinity rules")
  }
  for (const { term, domains } of around.forbidden) {
    const value = node.labels[term.topologyKey]
    if (value !== undefined && domains.has(value))
      return soft("node(s) didn't satisfy existing pods anti-affinity rules")
  }
  return undefined
}

function final(reason: string): Refusal {
  return { reasons: [reason], final: true }
}

function soft(reason: string): Refusal {
  return { reasons: [reason], final: false }
}
