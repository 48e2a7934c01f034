import { type KubeObject, StatefulSet } from '#kube'
import { diff } from '#manifests'
import type { AppSpec } from '#spec'
import { labels, type ReleaseSpec } from '../kinds.ts'
import { hasShape } from '../stateful/shape.ts'
import { sizeText } from '../stateful/size.ts'

export const statefulSets = (objects: readonly KubeObject[]) => objects.filter(({ kind }) => kind === StatefulSet.kind)

/** What stands in the way of keeping the pods, in the objects of two releases: in words, and config apart; and what changes with them kept. */
export function objectReasons(
  before: readonly KubeObject[],
  after: readonly KubeObject[],
): { config: boolean; reasons: string[]; notes: string[] } {
  const reasons: string[] = []
  const notes: string[] = []
  let config = false
  for (const set of statefulSets(after)) {
    const process = set.metadata.labels?.[labels.process] ?? set.metadata.name!
    const old = before.find(({ kind, metadata }) => kind === set.kind && metadata.name === set.metadata.name)
    if (!old) {
      const other = before.some(({ kind, metadata }) => kind === 'Deployment' && metadata.name === set.metadata.name)
      reasons.push(
        other
          ? `${process} was a Deployment and becomes a StatefulSet: its pods are replaced this once`
          : `${process} is new`,
      )
      continue
    }
    const [had, gets] = [sizeText(old.spec.template), sizeText(set.spec.template)]
    if (hasShape({ ...old, metadata: old.spec.template.metadata }, set.spec.template)) {
      if (had !== gets) notes.push(`${process} is resized where it runs: ${gets}, until now ${had}`)
      continue
    }
    for (const { path } of diff([old], [set]).flatMap(({ changes }) => changes)) {
      const place = /^spec\.template\.(.*)$/.exec(path)?.[1]
      if (place === undefined || /\.image$|cuddle\.dev\/shape/.test(place)) continue
      if (/\.envFrom/.test(place)) config = true
      else reasons.push(`${process}: ${place.replace(/^spec\./, '')} changed, which needs new pods`)
    }
  }
  return { config, reasons: [...new Set(reasons)], notes }
}

/** Names of the variables of an app that differ between two releases. */
export function changedVariables(
  before: { spec: ReleaseSpec; config: Record<string, string> },
  after: { spec: ReleaseSpec; config: Record<string, string> },
): string[] {
  const all = ({ spec, config }: typeof before): Record<string, unknown> => ({
    ...(spec.spec as AppSpec | undefined)?.env,
    ...config,
  })
  const [old, now] = [all(before), all(after)]
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
    .sort()
}
