import { ApiError, type Kube, type KubeObject, type objects, Pod } from '#kube'
import { parseQuantity, shortHash } from '#lib'

type PodObject = objects.Pod & KubeObject
type Template = Record<string, any>

/** Annotation of a pod that the API server does not let have a size: which one. */
const refusedAnnotation = 'cuddle.dev/size-refused'

/**
 * How the size of a running pod stands to that of a template. `wanted`: it has another. `underway`: its node is told. `refused`: it
 * cannot have it where it runs (`Infeasible`, or `Deferred` until others go; KEP-1287), so that it takes a new pod.
 */
export function sizing(pod: PodObject, template: Template): 'done' | 'wanted' | 'underway' | 'refused' {
  const differs = (of: (name: string) => objects.ResourceRequirements | undefined) =>
    containersOf(template).some(({ name, resources }) => !has(of(name), resources))
  if (differs((name) => pod.spec?.containers.find((one) => one.name === name)?.resources)) {
    return pod.metadata.annotations?.[refusedAnnotation] === sizeName(template) ? 'refused' : 'wanted'
  }
  const condition = (type: string) => pod.status?.conditions?.find((one) => one.type === type && one.status === 'True')
  if (condition('PodResizePending')) return 'refused'
  if (condition('PodResizeInProgress')) return 'underway'
  // Nodes that do not say what they gave know no resize.
  const given = (name: string) => pod.status?.containerStatuses?.find((one) => one.name === name)?.resources
  return containersOf(template).some(({ name }) => given(name)) && differs(given) ? 'underway' : 'done'
}

function containersOf(template: Template): { name: string; resources: objects.ResourceRequirements }[] {
  const containers: { name: string; resources?: objects.ResourceRequirements }[] = template['spec']?.containers ?? []
  return containers.map(({ name, resources = {} }) => ({ name, resources }))
}

const fields = ['requests', 'limits'] as const
const kinds = ['cpu', 'memory'] as const

/** Whether resources are those that are wanted; what admission added besides does not count. */
function has(resources: objects.ResourceRequirements | undefined, wanted: objects.ResourceRequirements): boolean {
  return fields.every((field) =>
    kinds.every((kind) => {
      const amount = wanted[field]?.[kind]
      return amount === undefined || parseQuantity(resources?.[field]?.[kind] ?? '') === parseQuantity(amount)
    }),
  )
}

const sizeName = (template: Template) => shortHash(containersOf(template))

/** Tells running pods to have the size of a template; those that may not are marked. */
export async function resizePods(kube: Kube, pods: readonly PodObject[], template: Template): Promise<void> {
  for (const { metadata } of pods) {
    const ref = { name: metadata.name!, namespace: metadata.namespace }
    const spec = { containers: containersOf(template) }
    try {
      await kube.patch(Pod, ref, { spec }, { type: 'strategic', subresource: 'resize' })
    } catch (error) {
      // Clusters before 1.33 have no such subresource; others refuse what would change the pod's class of service, or is above a quota.
      if (!(error instanceof ApiError) || error.code >= 500 || error.code === 409 || error.code === 429) throw error
      const annotations = { [refusedAnnotation]: sizeName(template) }
      await kube.patch(Pod, ref, { metadata: { annotations } }).catch((gone) => {
        if (!(gone instanceof ApiError && gone.code === 404)) throw gone
      })
    }
  }
}

/** `500m CPU, 512Mi` of the first container. */
export function sizeText(template: Template): string {
  const [{ resources } = { resources: {} as objects.ResourceRequirements }] = containersOf(template)
  const { cpu = 'any', memory = 'any' } = { ...resources.limits, ...resources.requests }
  return `${cpu} CPU, ${memory}`
}
