import { ConfigMap, CustomResourceDefinition, type Kube, Namespace } from '#kube'
import type { Clock, Logger } from '#lib'
import { type Settings, settingsObject, systemNamespace } from './context.ts'

/**
 * Makes the cluster ready for the platform: its namespace, its settings, and its custom resources, each waited for until served.
 * Changes nothing where all is there already.
 */
export async function installPlatform(kube: Kube, settings: Settings, clock: Clock, _log: Logger): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } }
  await kube.apply(Namespace, namespace, { fieldManager: 'cuddle' })
  await kube.apply(ConfigMap, settingsObject(settings), { fieldManager: 'cuddle' })
  const { definitions } = await import('./resources.ts')
  for (const definition of definitions) {
    const crd = definition.crd()
    await kube.apply(CustomResourceDefinition, crd, { fieldManager: 'cuddle' })
  }
  for (const definition of definitions) {
    while (!(await established(kube, definition.crd().metadata.name!))) await clock.sleep(10)
  }
}

async function established(kube: Kube, name: string): Promise<boolean> {
  const crd = await kube.get(CustomResourceDefinition, name)
  return (
    crd.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ??
    false
  )
}
