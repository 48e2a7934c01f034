import type { KubeObject, ResourceType } from '#kube'
import { clone } from '#lib'
import { controllerReference } from './owners.ts'

/** The pod that a template describes, owned by `owner`; without a name the API server makes one. */
export function podFromTemplate(
  type: ResourceType<any>,
  owner: KubeObject,
  template: Record<string, any>,
  naming: { name?: string; generateName: string },
): KubeObject {
  const { labels, annotations, finalizers } = template.metadata ?? {}
  return clone({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...naming,
      namespace: owner.metadata.namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(type, owner)],
    },
    spec: template.spec,
  })
}
