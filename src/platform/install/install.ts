import { ConfigMap, CustomResourceDefinition, type Kube, type KubeObject, Namespace, type ResourceType } from '#kube'
import { type Clock, CuddleError, isObject } from '#lib'
import { type Settings, settingsObject, systemNamespace } from '../context.ts'
import { crds } from '../generated/crds.ts'
import { type ManifestOptions, platformManifest } from './manifest.ts'

/**
 * Makes the cluster ready for the platform: its namespace, its settings, and its custom resources, each waited for until served.
 * Changes nothing where all is there already.
 */
export async function installPlatform(kube: Kube, settings: Settings, clock: Clock): Promise<void> {
  await ensure(kube, Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } })
  await ensure(kube, ConfigMap, settingsObject(settings))
  await Promise.all(
    crds.map(async (crd) => established(kube, await ensure(kube, CustomResourceDefinition, crd), clock)),
  )
}

/**
 * The same for a platform that gets rights of its own there: all of platformManifest, then the settings. Needs the rights
 * to make these objects only as far as they are not there already. @throws ApiError 403 for the first that is refused
 */
export async function installWithAccess(
  kube: Kube,
  settings: Settings & { ingressClassName: string },
  clock: Clock,
  options: ManifestOptions = {},
): Promise<void> {
  for (const object of platformManifest(settings.ingressClassName, options)) {
    const type = await kube.resolve(object.apiVersion, object.kind)
    if (!type) throw new CuddleError('old-cluster', `the cluster does not serve ${object.apiVersion} ${object.kind}`)
    const found = await ensure(kube, type, object)
    if (object.kind === CustomResourceDefinition.kind) await established(kube, found, clock)
  }
  await ensure(kube, ConfigMap, settingsObject(settings))
}

/** Applies an object unless all that it says is so already: a look costs less than an apply, which validates and compiles rules. */
async function ensure<T extends KubeObject>(kube: Kube, type: ResourceType<T>, object: T): Promise<T> {
  const found = await kube.find(type, object.metadata.name!, object.metadata.namespace)
  if (found && says(found, object)) return found
  return kube.apply(type, object, { fieldManager: 'cuddle' })
}

/** Whether `actual` has everything that `wanted` has; defaults that the server added do not matter. */
export function says(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(actual) &&
      actual.length === wanted.length &&
      wanted.every((item, index) => says(actual[index], item))
    )
  }
  if (!isObject(wanted)) return actual === wanted
  return isObject(actual) && Object.keys(wanted).every((key) => says(actual[key], wanted[key]))
}

async function established(kube: Kube, crd: KubeObject, clock: Clock): Promise<void> {
  for (let found = crd; !isEstablished(found); ) {
    await clock.sleep(10)
    found = await kube.get(CustomResourceDefinition, crd.metadata.name!)
  }
}

function isEstablished({ status }: KubeObject): boolean {
  const conditions: { type?: string; status?: string }[] = status?.conditions ?? []
  return conditions.some((condition) => condition.type === 'Established' && condition.status === 'True')
}
