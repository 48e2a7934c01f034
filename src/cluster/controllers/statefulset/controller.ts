import {
  ControllerRevision,
  controllerOf,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
  type KubeObject,
  type objects,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
} from '#kube'
import { type Clock, errorMessage } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { claim, podFromTemplate, reviseTemplate, revisionLabel, settleClaim, templateOf } from '../shared/index.ts'
import { claimsOf, settleClaims } from './claims.ts'
import { ordinalOf, planStatefulSet } from './plan.ts'

/** Keeps StatefulSets: pods with a name, a place in order and storage of their own. */
export function statefulSetController({ clock }: { clock: Clock }): Controller<any> {
  return controller(StatefulSet, {
    name: 'statefulset-controller',
    owns: [Pod, ControllerRevision],
    reads: [PersistentVolumeClaim],
    writes: [PersistentVolumeClaim],
  }).step('replicas', async (axn: Axn<any>) => {
    const set = axn.object as objects.StatefulSet
    const { namespace, uid } = set.metadata
    const orphans = axn.lister
      .list(Pod, { namespace, selector: set.spec?.selector })
      .filter((pod) => controllerOf(pod) === undefined && ordinalOf(set, pod) !== undefined)
    const found = claim(set, set.spec?.selector, axn.lister.owned(Pod, uid!), orphans)
    if (found.adopt.length + found.release.length > 0) {
      if (await settleClaim(axn.kube, StatefulSet, set, Pod, found)) found.owned.push(...found.adopt)
    }
    const revisions = axn.lister.owned(ControllerRevision, uid!)
    const inUse = new Set(found.owned.map(({ metadata }) => metadata.labels?.[revisionLabel] ?? ''))
    const { update, current, create, bump, surplus } = reviseTemplate(set, revisions, inUse, {
      current: set.status?.currentRevision,
      hashLabel: 'controller.kubernetes.io/hash',
    })
    if (!axn.deleting) {
      if (create) axn = axn.create(ControllerRevision, create)
      if (bump) {
        const ref = { type: ControllerRevision, name: bump.name, namespace }
        axn = axn.patch(ref, { revision: bump.revision })
      }
      for (const { metadata } of surplus)
        axn = axn.delete({ type: ControllerRevision, name: metadata.name!, namespace }, { uid: metadata.uid })
    }
    const plan = planStatefulSet({
      set,
      pods: found.owned,
      updateRevision: update,
      currentRevision: current,
      now: clock.now(),
    })
    if (!axn.deleting && set.spec?.volumeClaimTemplates?.length) {
      for (const pod of found.owned) {
        const ordinal = ordinalOf(set, pod)
        if (ordinal !== undefined) await settleClaims(axn, pod, ordinal)
      }
    }
    for (const { ordinal, revision } of plan.create) {
      const template = revision === update ? set.spec!.template : templateOf(revisions, revision)
      axn = await createPod(axn, ordinal, revision, (template ?? set.spec!.template) as Record<string, any>)
    }
    for (const pod of plan.delete) axn = await deletePod(axn, pod)
    if (plan.nextIn !== undefined) axn = axn.requeueAfter(plan.nextIn)
    // What was current until now is history, and may be too much of it.
    if (plan.status['currentRevision'] !== set.status?.currentRevision) axn = axn.requeueAfter(0)
    return axn.status({ ...plan.status, replicas: plan.status['replicas'] + plan.create.length })
  })
}

async function createPod(axn: Axn<any>, ordinal: number, revision: string, template: Record<string, any>) {
  const set = axn.object as objects.StatefulSet
  const pod = podOf(set, ordinal, revision, template)
  const name = pod.metadata.name!
  try {
    for (const volume of claimsOf(set, ordinal)) await createClaim(axn, volume)
    await axn.kube.create(Pod, pod)
    return axn.event('SuccessfulCreate', `Create Pod ${name} in StatefulSet ${axn.name} successful`)
  } catch (error) {
    if (isAlreadyExists(error) || isNamespaceTerminating(error)) return axn.requeueAfter(1000)
    const message = `Create Pod ${name} in StatefulSet ${axn.name} failed error: ${errorMessage(error)}`
    return axn.event('FailedCreate', message, { type: 'Warning' }).requeueAfter(1000)
  }
}

async function createClaim(axn: Axn<any>, volume: KubeObject): Promise<void> {
  try {
    await axn.kube.create(PersistentVolumeClaim, volume as any)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

async function deletePod(axn: Axn<any>, pod: objects.Pod): Promise<Axn<any>> {
  const { name, namespace, uid } = pod.metadata
  try {
    await axn.kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
    return axn.event('SuccessfulDelete', `Delete Pod ${name} in StatefulSet ${axn.name} successful`)
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return axn
    throw error
  }
}

/** A pod with its identity: name, host name, labels, and the claims that are its own in place of the template's volumes. */
export function podOf(
  set: objects.StatefulSet,
  ordinal: number,
  revision: string,
  template: Record<string, any>,
): KubeObject {
  const name = `${set.metadata.name}-${ordinal}`
  const pod = podFromTemplate(StatefulSet, set as any, template, { name, generateName: `${set.metadata.name}-` })
  pod.metadata.labels = {
    ...pod.metadata.labels,
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
    [revisionLabel]: revision,
  }
  pod.spec.hostname = name
  if (set.spec?.serviceName) pod.spec.subdomain = set.spec.serviceName
  const claims = set.spec?.volumeClaimTemplates ?? []
  if (claims.length > 0) {
    const own = new Set(claims.map(({ metadata }) => metadata.name))
    pod.spec.volumes = [
      ...(pod.spec.volumes ?? []).filter((volume: { name: string }) => !own.has(volume.name)),
      ...claims.map(({ metadata }) => ({
        name: metadata.name,
        persistentVolumeClaim: { claimName: `${metadata.name}-${name}` },
      })),
    ]
  }
  return pod
}
