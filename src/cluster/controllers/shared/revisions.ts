import type { objects } from '#kube'
import { equal, shortHash } from '#lib'

type Templated = objects.StatefulSet | objects.DaemonSet
type Revision = objects.ControllerRevision

/** Label of pods: the revision of the template that they were made from. */
export const revisionLabel = 'controller-revision-hash'

/** What a ControllerRevision keeps: the template, as a patch that `kubectl rollout undo` can apply. */
function dataOf(set: Templated) {
  return { spec: { template: { ...(set.spec?.template as object), $patch: 'replace' } } }
}

/**
 * Finds the revision of the present template, or makes it. A rollback finds the old one and moves it to the top.
 * `surplus` is history beyond revisionHistoryLimit that nothing refers to.
 *
 * @param inUse names of revisions that pods still have
 * @param current name of the revision that was last rolled out whole, where the kind keeps one
 * @param hashLabel label under which a revision carries its hash
 */
export function reviseTemplate(
  set: Templated,
  revisions: readonly Revision[],
  inUse: ReadonlySet<string>,
  { current: known, hashLabel }: { current?: string; hashLabel: string },
): {
  update: string
  current: string
  create?: Record<string, any>
  bump?: { name: string; revision: number }
  surplus: Revision[]
} {
  const sorted = [...revisions].sort((a, b) => (a.revision ?? 0) - (b.revision ?? 0))
  const data = dataOf(set)
  const top = sorted.at(-1)?.revision ?? 0
  const same = sorted.findLast((revision) => equal(revision['data'], data))
  const hash = shortHash({ template: set.spec?.template, uid: set.metadata.uid }, 10)
  const update = same?.metadata.name ?? `${set.metadata.name}-${hash}`
  const current = known && revisions.some(({ metadata }) => metadata.name === known) ? known : update
  const limit = set.spec?.revisionHistoryLimit ?? 10
  const live = new Set([update, current, ...inUse])
  const history = sorted.filter(({ metadata }) => !live.has(metadata.name!))
  const surplus = history.slice(0, Math.max(0, history.length - limit))
  if (!same) {
    const create = {
      metadata: {
        name: update,
        namespace: set.metadata.namespace,
        labels: { ...set.spec?.template?.metadata?.labels, [hashLabel]: hash },
        annotations: set.metadata.annotations,
      },
      data,
      revision: top + 1,
    }
    return { update, current, create, surplus }
  }
  const bump = (same.revision ?? 0) < top ? { name: update, revision: top + 1 } : undefined
  return { update, current, bump, surplus }
}

/** The template that a revision keeps; undefined when the revision is not there. */
export function templateOf(revisions: readonly Revision[], name: string): Record<string, any> | undefined {
  const data = revisions.find(({ metadata }) => metadata.name === name)?.['data'] as Record<string, any> | undefined
  if (!data?.['spec']?.template) return undefined
  const { $patch: _, ...template } = data['spec'].template
  return template
}
