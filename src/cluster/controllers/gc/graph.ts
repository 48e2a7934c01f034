import type { KubeObject, OwnerReference, ResourceType } from '#kube'

/** An object as the garbage collector remembers it. */
export interface GraphNode {
  readonly uid: string
  readonly type: ResourceType
  readonly name: string
  readonly namespace: string | undefined
  readonly owners: readonly OwnerReference[]
  readonly finalizers: readonly string[]
  readonly deleting: boolean
}

export const foreground = 'foregroundDeletion'
export const orphan = 'orphan'

/** Being deleted, and waiting for those of its dependents that block it. */
export function isDeletingDependents(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(foreground)
}

/** Who owns whom among everything in the cluster, by uid. */
export class Graph {
  readonly nodes = new Map<string, GraphNode>()
  readonly #dependents = new Map<string, Set<string>>()

  /** Takes an object in; returns the uids whose fate may have changed. */
  set(type: ResourceType, object: KubeObject): string[] {
    const { uid, name, namespace, ownerReferences, finalizers, deletionTimestamp } = object.metadata
    const before = this.nodes.get(uid!)
    if (before) this.#unlink(before)
    const node: GraphNode = {
      uid: uid!,
      type,
      name: name!,
      namespace,
      owners: ownerReferences ?? [],
      finalizers: finalizers ?? [],
      deleting: deletionTimestamp !== undefined,
    }
    this.nodes.set(node.uid, node)
    for (const { uid: owner } of node.owners) {
      const siblings = this.#dependents.get(owner)
      if (siblings) siblings.add(node.uid)
      else this.#dependents.set(owner, new Set([node.uid]))
    }
    const affected: string[] = []
    if (node.owners.some((owner) => !this.isSolid(node, owner)) || node.deleting) affected.push(node.uid)
    if (isDeletingDependents(node)) affected.push(...this.dependents(node.uid).map(({ uid }) => uid))
    // A dependent that no longer blocks, or blocks no more, may set its owners free.
    for (const { uid: owner } of before?.owners ?? []) {
      const known = this.nodes.get(owner)
      if (known && isDeletingDependents(known)) affected.push(owner)
    }
    return affected
  }

  /** An object is gone; returns the uids whose fate may have changed. */
  remove(uid: string): string[] {
    const node = this.nodes.get(uid)
    if (!node) return []
    this.nodes.delete(uid)
    this.#unlink(node)
    const owners = node.owners.filter((owner) => {
      const known = this.nodes.get(owner.uid)
      return known !== undefined && isDeletingDependents(known)
    })
    return [...this.dependents(uid).map((dependent) => dependent.uid), ...owners.map((owner) => owner.uid)]
  }

  dependents(uid: string): GraphNode[] {
    return [...(this.#dependents.get(uid) ?? [])].map((dependent) => this.nodes.get(dependent)!)
  }

  /** The owner is there as the reference says it, and not on its way out by waiting for its dependents. */
  isSolid(node: GraphNode, reference: OwnerReference): boolean {
    const owner = this.owner(node, reference)
    return owner !== undefined && !isDeletingDependents(owner)
  }

  /**
   * The owner that a reference names: by uid, and also by kind, name and namespace. An owner in another namespace is none
   * (owner references, KEP on cross-namespace owners).
   */
  owner(node: GraphNode, reference: OwnerReference): GraphNode | undefined {
    const owner = this.nodes.get(reference.uid)
    if (!owner || owner.name !== reference.name || owner.type.kind !== reference.kind) return undefined
    if (owner.type.namespaced && owner.namespace !== node.namespace) return undefined
    return groupOf(reference.apiVersion) === owner.type.group ? owner : undefined
  }

  #unlink(node: GraphNode): void {
    for (const { uid } of node.owners) {
      const siblings = this.#dependents.get(uid)
      siblings?.delete(node.uid)
      if (siblings?.size === 0) this.#dependents.delete(uid)
    }
  }
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}

/** `pods shop/web-1`, for logs. */
export function nameOf({ type, name, namespace }: GraphNode): string {
  return `${type.plural}${type.group ? `.${type.group}` : ''} ${namespace ? `${namespace}/` : ''}${name}`
}
