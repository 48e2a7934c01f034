import type { KubeObject } from '#kube'
import { metadata, objectName, selector } from './names.ts'
import type { ObjectInput } from './types.ts'

/**
 * Drains take one replica at a time. Only where there may be two replicas: a budget over one would block every drain. Pods that are
 * not ready may always go, or a broken app could hold a node for ever.
 */
export function budget(input: ObjectInput, process: string): KubeObject {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(input, objectName(input.app, process), process),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selector(input.app, process) },
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}
