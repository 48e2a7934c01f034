import { ConfigMap, CustomResourceDefinition, type Kube, type KubeObject, Namespace, type ResourceType } from '#kube'
import { type Clock, isObject, type Logger } from '#lib'
import { type Settings, settingsObject, systemNamespace } from './context.ts'
import { crds } from './generated/crds.ts'

/**
 * Makes the cluster ready for the platform: its namespace, its settings, and its custom resources, each waited for until served.
 * Changes nothing where all is there already.
 */
export async function installPlatform(kube: Kube, settings: Settings, clock: Clock, _log: Logger): Promise<void> {
  await ensure(kube, Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } })
  await ensure(kube, ConfigMap, settingsObject(settings))
  await Promise.all(
    crds.map(async (crd) => {
      let found = await ensure(kube, CustomResourceDefinition, crd)
      while (!established(found)) {
        await clock.sleep(10)
        found = await kube.get(CustomResourceDefinition, crd.metadata.name!)
      }
    }),
  )
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

function established(crd: { status?: { conditions?: { type?: string; status?: string }[] } }): boolean {
  return (
    crd.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ??
    false
  )
}
