import { shortHash } from '#lib'
import { annotation, bounds, type Deployment, hashLabel, type Member, replicasOf, revisionOf } from './fleet.ts'

const notCopied = new Set<string>([
  annotation.revision,
  annotation.history,
  annotation.desired,
  annotation.max,
  annotation.lastApplied,
  'deprecated.deployment.rollback.to',
])

/** The annotations of the Deployment that its ReplicaSets carry too (change-cause among them). */
function copied(deployment: Deployment): Record<string, string> {
  const entries = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.has(key))
  return Object.fromEntries(entries)
}

/** The annotations of the current ReplicaSet: a revision above all old ones; one that is rolled back to keeps its history. */
export function currentAnnotations(
  deployment: Deployment,
  before: Record<string, string>,
  old: readonly Member[],
): Record<string, string> {
  const next = { ...before, ...copied(deployment) }
  const revision = Math.max(0, ...old.map(revisionOf)) + 1
  const mine = revisionOf({ annotations: before })
  if (mine >= revision) return next
  next[annotation.revision] = String(revision)
  if (mine > 0) {
    const history = before[annotation.history]
    next[annotation.history] = history ? `${history},${mine}` : String(mine)
  }
  return next
}

export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = replicasOf(deployment)
  return {
    [annotation.desired]: String(desired),
    [annotation.max]: String(desired + bounds(deployment).surge),
  }
}

/** The hash that names a template's ReplicaSet. Any stable one will do for clients; `collisions` makes another. */
export function templateHash(template: unknown, collisions: number): string {
  return shortHash({ template, collisions }, 10)
}

/** The ReplicaSet of a template that has none yet; its owner reference is added by whoever creates it. */
export function newReplicaSet(deployment: Deployment, hash: string, size: number, old: readonly Member[]) {
  const template = deployment.spec!.template as Record<string, any>
  const labels = { ...template.metadata?.labels, [hashLabel]: hash }
  const selector = deployment.spec!.selector ?? {}
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: { ...currentAnnotations(deployment, {}, old), ...sizeAnnotations(deployment) },
    },
    spec: {
      replicas: size,
      minReadySeconds: deployment.spec!.minReadySeconds || undefined,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}
