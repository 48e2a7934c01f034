import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceType } from '#kube'

/** The reference that a managed object carries to `owner`. Cached objects may lack kind and apiVersion, so the type says. */
export function controllerReference(type: ResourceType<any>, owner: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: owner.metadata.name!,
    uid: owner.metadata.uid!,
    controller: true,
    blockOwnerDeletion: true,
  }
}
