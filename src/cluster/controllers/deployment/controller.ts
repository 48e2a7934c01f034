import { controllerOf, Deployment, matches, type objects, Pod, ReplicaSet } from '#kube'
import type { Clock } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { claim, controllerReference, isTerminal, settleClaim } from '../shared/index.ts'
import { annotation, isRecreate, sameTemplate } from './fleet.ts'
import { planRollout, type RolloutPlan } from './plan.ts'

/** Rolls Deployments out by creating and sizing ReplicaSets; the decision is `planRollout`, this carries it out. */
export function deploymentController({ clock }: { clock: Clock }): Controller<any> {
  return controller(Deployment, {
    name: 'deployment-controller',
    owns: [ReplicaSet],
    watches: [
      { type: ReplicaSet, map: adopters },
      { type: Pod, map: recreating },
    ],
  }).step('rollout', async (axn: Axn<any>) => {
    const deployment = axn.object as objects.Deployment
    const { name, namespace, uid } = deployment.metadata
    const mine = axn.lister.owned(ReplicaSet, uid!)
    const claimed = claim(
      deployment,
      deployment.spec?.selector,
      mine,
      axn.lister.list(ReplicaSet, { namespace }).filter((rs) => controllerOf(rs) === undefined),
    )
    if (claimed.adopt.length + claimed.release.length > 0) {
      if (await settleClaim(axn.kube, Deployment, deployment, ReplicaSet, claimed)) claimed.owned.push(...claimed.adopt)
    }
    const plan = planRollout({
      deployment,
      replicaSets: claimed.owned,
      taken: (other) => {
        const rs = axn.lister.get(ReplicaSet, other, namespace)
        return rs !== undefined && !claimed.owned.some((each) => each.metadata.uid === rs.metadata.uid)
      },
      oldPodsLeft: isRecreate(deployment) && oldPodsLeft(deployment, claimed.owned, axn.lister),
      now: clock.now(),
    })
    return carryOut(axn, plan, name!, namespace!)
  })
}

function carryOut(axn: Axn<any>, plan: RolloutPlan, name: string, namespace: string): Axn<any> {
  if (plan.create) {
    const ownerReferences = [controllerReference(Deployment, axn.object)]
    const metadata = { ...plan.create.metadata, ownerReferences }
    axn = axn.create(ReplicaSet, { ...plan.create, metadata }, { owned: false })
  }
  for (const { rs, replicas, annotations, minReadySeconds } of plan.change) {
    const { resourceVersion } = rs.metadata
    const spec = {
      ...(replicas === undefined ? {} : { replicas }),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    }
    const patch = {
      metadata: { resourceVersion, ...(annotations ? { annotations } : {}) },
      ...(Object.keys(spec).length > 0 ? { spec } : {}),
    }
    axn = axn.patch({ type: ReplicaSet, name: rs.metadata.name!, namespace }, patch, { type: 'merge' })
  }
  for (const rs of plan.remove) {
    axn = axn.delete(
      { type: ReplicaSet, name: rs.metadata.name!, namespace },
      { uid: rs.metadata.uid, propagationPolicy: 'Background' },
    )
  }
  if (plan.revision) {
    const metadata = { annotations: { [annotation.revision]: plan.revision } }
    axn = axn.patch({ type: Deployment, name, namespace }, { metadata }, { type: 'merge' })
  }
  for (const { reason, message } of plan.events) axn = axn.event(reason, message)
  if (plan.nextIn !== undefined) axn = axn.requeueAfter(plan.nextIn)
  return axn.status(plan.status)
}

/** Deployments that could adopt a ReplicaSet without a controller. */
function adopters(rs: objects.ReplicaSet, lister: Lister): { name: string; namespace?: string }[] {
  if (controllerOf(rs as any)) return []
  return lister
    .list(Deployment, { namespace: rs.metadata.namespace })
    .filter((deployment) => matches(deployment.spec?.selector, rs.metadata.labels))
    .map((deployment) => ({ name: deployment.metadata.name!, namespace: deployment.metadata.namespace }))
}

/** Only Recreate waits for pods themselves: the last old one gone is what lets the new ReplicaSet come. */
function recreating(pod: objects.Pod, lister: Lister): { name: string; namespace?: string }[] {
  const { namespace } = pod.metadata
  const owner = controllerOf(pod as any)
  if (owner?.kind !== 'ReplicaSet') return []
  const rs = lister.get(ReplicaSet, owner.name, namespace)
  const name = rs && controllerOf(rs)?.name
  const deployment = name && lister.get(Deployment, name, namespace)
  return deployment && isRecreate(deployment) ? [{ name: deployment.metadata.name!, namespace }] : []
}

function oldPodsLeft(deployment: objects.Deployment, sets: readonly objects.ReplicaSet[], lister: Lister): boolean {
  return sets
    .filter((rs) => !sameTemplate(rs.spec?.template as any, deployment.spec?.template as any))
    .some((rs) => lister.owned(Pod, rs.metadata.uid!).some((pod) => !isTerminal(pod)))
}
