import { controllerOf, Job, type objects, Pod } from '#kube'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { trackingFinalizer } from './kinds.ts'

/** Gives pods free whose Job is gone: nobody is left to count them, and their finalizer would hold them for ever. */
export function orphanedJobPodController(): Controller<any> {
  return controller(Pod, {
    name: 'job-orphan-controller',
    watches: [{ type: Job, map: podsOfGone }],
    filter: (pod) => pod.metadata.finalizers?.includes(trackingFinalizer) === true,
  }).step('release', async (axn: Axn<any>) => {
    const { name, namespace, uid, resourceVersion, finalizers = [] } = (axn.object as objects.Pod).metadata
    const owner = controllerOf(axn.object)
    if (!finalizers.includes(trackingFinalizer)) return axn
    if (owner?.kind === 'Job') {
      if (axn.lister.get(Job, owner.name, namespace)?.metadata.uid === owner.uid) return axn
      // The cache of Jobs may lag behind that of pods.
      const live = await axn.kube.find(Job, owner.name, namespace)
      if (live?.metadata.uid === owner.uid) return axn
    }
    const kept = finalizers.filter((finalizer) => finalizer !== trackingFinalizer)
    const metadata = { uid, resourceVersion, finalizers: kept.length > 0 ? kept : null }
    return axn.patch({ type: Pod, name: name!, namespace }, { metadata })
  })
}

function podsOfGone(job: objects.Job, lister: Lister): { name: string; namespace?: string }[] {
  const { name, namespace, uid } = job.metadata
  if (lister.get(Job, name!, namespace)?.metadata.uid === uid) return []
  return lister.owned(Pod, uid!).map(({ metadata }) => ({ name: metadata.name!, namespace }))
}
