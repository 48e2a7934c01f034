import type { OwnerReference } from '#kube'
import { foreground, type Graph, type GraphNode, isDeletingDependents, orphan } from './graph.ts'

export type Policy = 'Foreground' | 'Background' | 'Orphan'

export type Decision =
  | { do: 'nothing' }
  | { do: 'delete'; policy: Policy; unblock: boolean }
  /** Keep the object, drop these references. */
  | { do: 'dropOwners'; uids: string[] }
  /** Its dependents are to live on without it. */
  | { do: 'orphanDependents'; dependents: GraphNode[] }
  /** Nothing blocks its deletion any more. */
  | { do: 'release' }

/**
 * What is to become of an object (upstream's attemptToDeleteItem). `isAbsent` tells of an owner that the graph does not know
 * whether the API server has none either.
 */
export function decide(node: GraphNode, graph: Graph, isAbsent: (owner: OwnerReference) => boolean): Decision {
  if (node.deleting && node.finalizers.includes(orphan))
    return { do: 'orphanDependents', dependents: graph.dependents(node.uid) }
  if (isDeletingDependents(node)) {
    const blocking = graph.dependents(node.uid).some((dependent) => blocks(dependent, node.uid))
    return blocking ? { do: 'nothing' } : { do: 'release' }
  }
  if (node.deleting || node.owners.length === 0) return { do: 'nothing' }

  const solid: OwnerReference[] = []
  const dangling: OwnerReference[] = []
  const waiting: OwnerReference[] = []
  for (const reference of node.owners) {
    const owner = graph.owner(node, reference)
    if (owner && isDeletingDependents(owner) && reference.blockOwnerDeletion === true) waiting.push(reference)
    else if (owner || !isAbsent(reference)) solid.push(reference)
    else dangling.push(reference)
  }
  if (solid.length > 0) {
    const gone = [...dangling, ...waiting].map(({ uid }) => uid)
    return gone.length > 0 ? { do: 'dropOwners', uids: gone } : { do: 'nothing' }
  }
  const dependents = graph.dependents(node.uid)
  if (waiting.length > 0 && dependents.length > 0) {
    // A circle of owners would wait for itself: then this one stops blocking.
    return { do: 'delete', policy: 'Foreground', unblock: dependents.some(isDeletingDependents) }
  }
  const policy = node.finalizers.includes(orphan)
    ? 'Orphan'
    : node.finalizers.includes(foreground)
      ? 'Foreground'
      : 'Background'
  return { do: 'delete', policy, unblock: false }
}

/** Does this dependent hold its owner's deletion up? */
function blocks(dependent: GraphNode, owner: string): boolean {
  return dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === owner && blockOwnerDeletion === true)
}
