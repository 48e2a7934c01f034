import {
  apiVersionOf,
  ConfigMap,
  CronJob,
  Deployment,
  HorizontalPodAutoscaler,
  Ingress,
  isNotFound,
  Job,
  type Kube,
  type KubeObject,
  Namespace,
  NetworkPolicy,
  type ObjectMeta,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  type ResourceType,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
} from '#kube'
import { keepAnnotation } from '#manifests'
import { labels } from './kinds.ts'
import { isWorkload } from './scale.ts'

/** Field manager of what the platform applies. */
export const manager = 'cuddle'
/** Field manager that holds a Deployment's replicas from when the platform lets go of them until an autoscaler sets them. */
const handover = 'cuddle-scale'

/** What a release may be made of, and what is pruned when a later one no longer has it. */
export const kinds: readonly ResourceType<any>[] = [
  Namespace,
  ServiceAccount,
  ConfigMap,
  Secret,
  NetworkPolicy,
  PersistentVolumeClaim,
  Service,
  Deployment,
  StatefulSet,
  PodDisruptionBudget,
  HorizontalPodAutoscaler,
  CronJob,
  Ingress,
  Job,
]
/** Those that are deleted with the release that no longer has them. */
export const pruned = kinds.filter((type) => ![Namespace, PersistentVolumeClaim, Secret, Job].includes(type))

/** Namespace first; workloads after what they refer to; who scales them last. */
function wave({ kind }: KubeObject): number {
  if (kind === 'Namespace') return 0
  if (['Deployment', 'StatefulSet', 'CronJob', 'Job'].includes(kind)) return 2
  return kind === 'HorizontalPodAutoscaler' ? 3 : 1
}

/** Server-side applies objects, in waves. The replicas that an autoscaler has are left to it. */
export async function applyAll(kube: Kube, objects: readonly KubeObject[]): Promise<void> {
  for (const number of [0, 1, 2, 3]) {
    const applies = objects
      .filter((object) => wave(object) === number)
      .map((object) => {
        if (object.kind === Deployment.kind) return applyDeployment(kube, object, objects)
        return object.kind === StatefulSet.kind ? applyStatefulSet(kube, object, objects) : apply(kube, object)
      })
    if (number === 1) applies.push(retireAutoscalers(kube, objects))
    await Promise.all(applies)
  }
}

async function apply(kube: Kube, object: KubeObject): Promise<void> {
  await kube.apply(await typeOf(kube, object), object, { fieldManager: manager, force: true })
}

async function applyDeployment(kube: Kube, object: KubeObject, all: readonly KubeObject[]): Promise<void> {
  const { name, namespace } = object.metadata
  const range = autoscaledRange(object, all)
  if (!range || object.spec.replicas !== undefined) return apply(kube, object)
  let live = await kube.find(Deployment, name!, namespace)
  if (!live) {
    await apply(kube, await withReplicas(kube, object, range, StatefulSet))
    live = await kube.get(Deployment, name!, namespace)
  }
  if (ownsReplicas(live)) {
    // A field that its only owner no longer applies goes back to its default: one replica. So somebody else holds it first.
    const replicas = clamp(live.spec?.replicas ?? 1, range)
    const { apiVersion, kind } = object
    const held = { apiVersion, kind, metadata: { name, namespace }, spec: { replicas } }
    await kube.apply(Deployment, held, { fieldManager: handover, force: true })
  }
  return apply(kube, object)
}

/**
 * The number of pods of a StatefulSet is moved by who replaces them (`stateful/roll.ts`) and by the autoscaler: what it is now
 * is applied along. Not left out, for a field that its only owner no longer applies goes back to one replica.
 */
async function applyStatefulSet(kube: Kube, object: KubeObject, all: readonly KubeObject[]): Promise<void> {
  const live = await kube.find(StatefulSet, object.metadata.name!, object.metadata.namespace)
  const range = autoscaledRange(object, all)
  if (live) return apply(kube, { ...object, spec: { ...object.spec, replicas: live.spec?.replicas } })
  return apply(kube, range ? await withReplicas(kube, object, range, Deployment) : object)
}

interface Range {
  min: number
  max: number
}

function autoscaledRange(object: KubeObject, all: readonly KubeObject[]): Range | undefined {
  const found = all.find(({ kind, spec }) => kind === HorizontalPodAutoscaler.kind && targets(spec, object))
  return found && { min: found.spec.minReplicas, max: found.spec.maxReplicas }
}

const clamp = (replicas: number, { min, max }: Range) => Math.min(Math.max(replicas, min), max)

/** A workload that is new starts with as many pods as the one of the other kind that it takes over from. */
async function withReplicas(
  kube: Kube,
  object: KubeObject,
  range: Range,
  other: ResourceType<any>,
): Promise<KubeObject> {
  const before = await kube.find(other, object.metadata.name!, object.metadata.namespace)
  return { ...object, spec: { ...object.spec, replicas: clamp(before?.spec?.replicas ?? 0, range) } }
}

function targets(spec: Record<string, any> | undefined, object: KubeObject): boolean {
  const target = spec?.['scaleTargetRef']
  return target?.kind === object.kind && target.name === object.metadata.name
}

function ownsReplicas({ metadata }: KubeObject): boolean {
  return (metadata.managedFields ?? []).some(
    (entry: any) =>
      entry.manager === manager && entry.operation === 'Apply' && entry.fieldsV1?.['f:spec']?.['f:replicas'],
  )
}

/** Autoscalers of workloads that get fixed replicas go before those are set: they would set their own again. */
async function retireAutoscalers(kube: Kube, objects: readonly KubeObject[]): Promise<void> {
  const fixed = objects.filter((object) => isWorkload(object) && object.spec?.['replicas'] !== undefined)
  const app = fixed[0]?.metadata.labels?.[labels.app]
  const namespace = fixed[0]?.metadata.namespace
  if (!app || !namespace) return
  const { items } = await kube.list(HorizontalPodAutoscaler, { namespace, labelSelector: appSelector(app) })
  for (const item of items) {
    if (!fixed.some((object) => targets(item.spec, object))) continue
    await kube.delete(HorizontalPodAutoscaler, item.metadata.name!, namespace).catch(ignoreNotFound)
  }
}

async function typeOf(kube: Kube, object: KubeObject): Promise<ResourceType> {
  const known = kinds.find((type) => type.kind === object.kind && apiVersionOf(type) === object.apiVersion)
  const type = known ?? (await kube.resolve(object.apiVersion, object.kind))
  if (!type) throw new Error(`the cluster does not serve ${object.apiVersion} ${object.kind}`)
  return type
}

/** Deletes what carries the app's label and is not wanted; volumes and config snapshots are never pruned here. */
export async function prune(kube: Kube, app: string, wanted: readonly KubeObject[]): Promise<void> {
  const names = new Set(wanted.map((object) => `${object.kind}/${object.metadata.name}`))
  await Promise.all(
    pruned.map(async (type) => {
      const { items } = await kube.listAll(type, { namespace: app, labelSelector: appSelector(app) })
      for (const item of items) {
        const { ownerReferences, annotations } = item.metadata as ObjectMeta
        const owned = ownerReferences?.some((owner) => owner.controller)
        if (owned || annotations?.[keepAnnotation] || names.has(`${type.kind}/${item.metadata.name}`)) continue
        await kube.delete(type, item.metadata.name!, app, { propagationPolicy: 'Background' }).catch(ignoreNotFound)
      }
    }),
  )
}

function appSelector(app: string): string {
  return `${labels.app}=${app},app.kubernetes.io/managed-by=cuddle`
}

export function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error
}
