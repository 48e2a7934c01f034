import type { objects } from '#kube'
import { parseQuantity } from '#lib'

export interface DownwardContext {
  pod: objects.Pod
  podIP: string
  hostIP: string
  /** What a container without a limit may use, in cores and bytes. */
  allocatable: { cpu: number; memoryBytes: number }
}

/** The value of a fieldRef; undefined for a path that Kubernetes does not offer. Maps become lines `key="value"`. */
export function fieldValue(path: string, context: DownwardContext): string | undefined {
  const { pod } = context
  const item = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path)
  if (item) return own(pod.metadata[item[1] as 'labels' | 'annotations'], item[2])
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name
    case 'metadata.namespace':
      return pod.metadata.namespace
    case 'metadata.uid':
      return pod.metadata.uid
    case 'metadata.labels':
      return lines(pod.metadata.labels)
    case 'metadata.annotations':
      return lines(pod.metadata.annotations)
    case 'spec.nodeName':
      return pod.spec?.nodeName
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? 'default'
    case 'status.podIP':
    case 'status.podIPs':
      return context.podIP
    case 'status.hostIP':
    case 'status.hostIPs':
      return context.hostIP
    default:
      return undefined
  }
}

/** The value of a resourceFieldRef, rounded up to whole divisors; a missing limit is what the node can give. */
export function resourceValue(
  ref: { containerName?: string; resource: string; divisor?: string | number },
  container: string,
  context: DownwardContext,
): string | undefined {
  const name = ref.containerName ?? container
  const spec = context.pod.spec
  const found = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find((item) => item.name === name)
  const match = /^(limits|requests)\.(.+)$/.exec(ref.resource)
  if (!found || !match) return undefined
  const [, kind, resource] = match
  const given = found.resources?.[kind as 'limits' | 'requests']?.[resource]
  let amount = given === undefined ? undefined : parseQuantity(given)
  if (amount === undefined) {
    if (resource === 'cpu') amount = kind === 'limits' ? context.allocatable.cpu : 0
    else if (resource === 'memory') amount = kind === 'limits' ? context.allocatable.memoryBytes : 0
    else amount = 0
  }
  const divisor = parseQuantity(ref.divisor ?? '1') || 1
  return String(Math.ceil(amount / divisor - 1e-9))
}

function own(map: Record<string, string> | undefined, key: string): string {
  return map && Object.hasOwn(map, key) ? map[key] : ''
}

function lines(map: Record<string, string> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${JSON.stringify(map![key])}`)
    .join('\n')
}
