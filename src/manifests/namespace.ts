import type { KubeObject } from '#kube'
import { labels, releaseAnnotation } from './names.ts'
import type { ObjectInput } from './types.ts'

/**
 * An app's own Namespace. Its labels make the API server refuse every pod that asks for more than the *restricted*
 * profile of Pod Security, whoever creates it.
 */
export function namespace(input: ObjectInput): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: input.namespace,
      labels: {
        ...labels(input.app),
        'pod-security.kubernetes.io/enforce': 'restricted',
        'pod-security.kubernetes.io/warn': 'restricted',
        'pod-security.kubernetes.io/audit': 'restricted',
      },
      annotations: { [releaseAnnotation]: String(input.release) },
    },
  }
}
