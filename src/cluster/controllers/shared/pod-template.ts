import type { KubeObject, ResourceType } from '#kube'
import { clone, randomSuffix } from '#lib'
import { controllerReference } from './owners.ts'

/** `base` shortened to leave room, plus five random characters: what generateName does, known before the request. */
export function generatedName(base: string): string {
  return base.slice(0, 58) + randomSuffix(5)
}

/** The pod that a template describes, owned by `owner`. */
export function podFromTemplate(
  type: ResourceType<any>,
  owner: KubeObject,
  template: Record<string, any>,
  name: string,
): KubeObject {
  const { labels, annotations, finalizers } = template.metadata ?? {}
  return clone({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: owner.metadata.namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(type, owner)],
    },
    spec: template.spec,
  })
}
