import { Deployment, type KubeObject, StatefulSet } from '#kube'
import { clone } from '#lib'
import { autoscaled, autoscaler, beamNodeLabel, budget } from '#manifests'
import type { AppSpec, Scale } from '#spec'
import { type AppObject, labels, type ReleaseSpec } from './kinds.ts'
import { rememberShape } from './stateful/shape.ts'

/** What runs pods for good. */
export function isWorkload({ kind }: KubeObject): boolean {
  return kind === Deployment.kind || kind === StatefulSet.kind
}

/** What `cuddle ps:scale` set, by process: a number of replicas or a range. */
export function scaleByHand(app: AppObject['spec']): Record<string, number | Scale> {
  return { ...app.scale, ...app.autoscale }
}

/**
 * A release's objects as they are to be applied now: replicas, ranges and restarts that were asked for since win over what was
 * rendered, and autoscaler and disruption budget follow. Everything else stays exactly as the release froze it.
 */
export function effectiveObjects(release: ReleaseSpec, app: AppObject['spec']): KubeObject[] {
  const scale = scaleByHand(app)
  const restarts = app.restarts ?? {}
  const input = { app: release.app, namespace: release.app, release: release.number }
  const objects: KubeObject[] = []
  for (const rendered of release.objects as KubeObject[]) {
    const process = rendered.metadata.labels?.[labels.process]
    const byHand = process !== undefined && Object.hasOwn(scale, process) ? scale[process] : undefined
    if (byHand !== undefined && ['PodDisruptionBudget', 'HorizontalPodAutoscaler'].includes(rendered.kind)) continue
    if (!isWorkload(rendered) || process === undefined) {
      objects.push(rendered)
      continue
    }
    const object = clone(rendered)
    const restartedAt = [restarts[process], restarts['*']].filter(Boolean).sort().at(-1)
    if (restartedAt) {
      object.spec.template.metadata.annotations = {
        ...object.spec.template.metadata.annotations,
        'kubectl.kubernetes.io/restartedAt': restartedAt,
      }
    }
    if (object.kind === StatefulSet.kind) rememberShape(object.spec.template)
    objects.push(object)
    if (byHand === undefined) continue
    const { target } = (release.spec as AppSpec | undefined)?.processes[process]?.scale ?? {}
    const range: Scale = typeof byHand === 'number' ? { min: byHand, max: byHand } : { target, ...byHand }
    if (autoscaled(range)) {
      delete object.spec.replicas
      const nodes = object.spec.template.metadata.labels?.[beamNodeLabel] !== undefined
      // A release whose pods cannot be read is scaled by their CPU, whatever it names.
      const target = nodes || typeof range.target === 'number' ? range.target : undefined
      objects.push(autoscaler(input, process, { kind: object.kind, nodes }, { ...range, target }))
    } else object.spec.replicas = range.min
    if (range.max >= 2) objects.push(budget(input, process))
  }
  return objects
}
