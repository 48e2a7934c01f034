import type { KubeObject } from '#kube'
import { clone } from '#lib'
import { budget } from '#manifests'
import { type AppObject, labels, type ReleaseSpec } from './kinds.ts'

/**
 * A release's objects as they are to be applied now: replicas and restarts that were asked for since win over what was rendered,
 * and the disruption budget follows the replicas. Everything else stays exactly as the release froze it.
 */
export function effectiveObjects(release: ReleaseSpec, app: AppObject['spec']): KubeObject[] {
  const scale = app.scale ?? {}
  const restarts = app.restarts ?? {}
  const objects: KubeObject[] = []
  for (const rendered of release.objects as KubeObject[]) {
    const process = rendered.metadata.labels?.[labels.process]
    if (process !== undefined && process in scale && rendered.kind === 'PodDisruptionBudget') continue
    if (rendered.kind !== 'Deployment' || process === undefined) {
      objects.push(rendered)
      continue
    }
    const object = clone(rendered)
    if (process in scale) {
      object.spec.replicas = scale[process]
      if (scale[process] >= 2)
        objects.push(budget({ app: release.app, namespace: release.app, release: release.number }, process))
    }
    const restartedAt = [restarts[process], restarts['*']].filter(Boolean).sort().at(-1)
    if (restartedAt) {
      object.spec.template.metadata.annotations = {
        ...object.spec.template.metadata.annotations,
        'kubectl.kubernetes.io/restartedAt': restartedAt,
      }
    }
    objects.push(object)
  }
  return objects
}
