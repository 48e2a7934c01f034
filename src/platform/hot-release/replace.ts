import type { Kube, KubeObject } from '#kube'
import { type Clock, rfc3339 } from '#lib'
import { App, type AppObject, labels, type ReleaseObject } from '../kinds.ts'
import { statefulSets } from './objects.ts'

const processesIn = (objects: readonly KubeObject[]) =>
  statefulSets(objects).flatMap(({ metadata }) => metadata.labels?.[labels.process] ?? [])

/** Whether new pods of all hot processes have been asked for since a release was made. */
export function asksForNewPods(
  app: AppObject['spec'],
  release: ReleaseObject,
  objects: readonly KubeObject[],
): boolean {
  const since = release.metadata.creationTimestamp ?? ''
  // Both are whole seconds, and code may show within one that it is no good.
  return processesIn(objects).every((process) => (app.restarts?.[process] ?? '') >= since)
}

/**
 * Asks for new pods in place of those that run what a release loaded and cannot be taken back: one after the other, as
 * `cuddle ps:restart` does. May be done twice.
 *
 * @param objects those of the release before, which the new pods run
 */
export async function askForNewPods(
  { kube, clock }: { kube: Kube; clock: Clock },
  release: ReleaseObject,
  objects: readonly KubeObject[],
): Promise<void> {
  const { app } = release.spec
  if (asksForNewPods((await kube.get(App, app)).spec, release, objects)) return
  const at = rfc3339(clock.now())
  const restarts = Object.fromEntries(processesIn(objects).map((process) => [process, at]))
  await kube.patch(App, { name: app }, { spec: { restarts } })
}
