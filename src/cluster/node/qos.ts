import type { objects } from '#kube'
import { parseQuantity } from '#lib'

/** Guaranteed, Burstable or BestEffort (k8s.io/kubernetes pkg/apis/core/v1/helper/qos). */
export function qosClass(pod: objects.Pod): string {
  let any = false
  let guaranteed = true
  for (const { resources } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    for (const name of ['cpu', 'memory']) {
      const limit = amount(resources?.limits?.[name])
      const request = amount(resources?.requests?.[name]) || limit
      if (limit > 0 || request > 0) any = true
      if (limit === 0 || limit !== request) guaranteed = false
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable'
}

function amount(quantity: string | number | undefined): number {
  return quantity === undefined ? 0 : (parseQuantity(quantity) ?? 0)
}
