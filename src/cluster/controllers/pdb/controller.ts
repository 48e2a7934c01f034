import {
  controllerOf,
  Deployment,
  type KubeObject,
  matches,
  type objects,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  StatefulSet,
} from '#kube'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { budgetStatus } from './status.ts'

/** Keeps PodDisruptionBudgets' status true, so that evictions can be granted. */
export function disruptionController(): Controller<any> {
  return controller(PodDisruptionBudget, {
    name: 'disruption-controller',
    reads: [ReplicaSet, Deployment, StatefulSet],
    watches: [
      { type: Pod, map: budgetsOf },
      // A scale changes how many pods are expected before any pod does.
      { type: Deployment, map: budgetsOfOwner },
      { type: StatefulSet, map: budgetsOfOwner },
      { type: ReplicaSet, map: budgetsOfOwner },
    ],
  }).step('status', async (axn: Axn<any>) => {
    const budget = axn.object as objects.PodDisruptionBudget
    const { namespace } = budget.metadata
    const pods = axn.lister
      .list(Pod, { namespace })
      .filter((pod) => matches(budget.spec?.selector, pod.metadata.labels))
    const expected = await expectedPods(axn, budget, pods)
    const { status, nextIn } = budgetStatus(budget, pods, expected, axn.clock.now())
    if (nextIn !== undefined) axn = axn.requeueAfter(nextIn)
    return axn.status(status)
  })
}

/** An absolute minAvailable counts the pods themselves; all else asks their owners for their scale. */
async function expectedPods(axn: Axn<any>, budget: objects.PodDisruptionBudget, pods: readonly objects.Pod[]) {
  const { minAvailable, maxUnavailable } = budget.spec ?? {}
  if (maxUnavailable === undefined && typeof minAvailable !== 'string') return pods.length
  const owners = new Map<string, number>()
  for (const pod of pods) {
    const owner = controllerOf(pod as any)
    if (!owner || owners.has(owner.uid)) continue
    owners.set(owner.uid, 0)
    const scale = await scaleOf(axn, owner, budget.metadata.namespace!)
    if (scale) owners.set(scale.uid, scale.replicas)
  }
  return [...owners.values()].reduce((sum, replicas) => sum + replicas, 0)
}

/** The replicas that a pod's owner wants; a ReplicaSet's Deployment speaks for all its ReplicaSets. */
async function scaleOf(
  axn: Axn<any>,
  owner: { kind: string; name: string; uid: string; apiVersion: string },
  namespace: string,
) {
  const { lister, kube } = axn
  const sized = (object: KubeObject | undefined) =>
    object && { uid: object.metadata.uid!, replicas: Number(object.spec?.replicas ?? 1) }
  if (owner.kind === 'ReplicaSet') {
    const set = lister.get(ReplicaSet, owner.name, namespace)
    const parent = set && controllerOf(set)
    const deployment = parent?.kind === 'Deployment' ? lister.get(Deployment, parent.name, namespace) : undefined
    return sized(deployment ?? set)
  }
  if (owner.kind === 'StatefulSet') return sized(lister.get(StatefulSet, owner.name, namespace))
  const type = await kube.resolve(owner.apiVersion, owner.kind)
  return sized(type && (await kube.find(type, owner.name, namespace)))
}

function budgetsOf(pod: objects.Pod, lister: Lister): { name: string; namespace?: string }[] {
  const { namespace, labels } = pod.metadata
  return lister
    .list(PodDisruptionBudget, { namespace })
    .filter((budget) => matches(budget.spec?.selector, labels))
    .map((budget) => ({ name: budget.metadata.name!, namespace }))
}

function budgetsOfOwner(owner: KubeObject, lister: Lister): { name: string; namespace?: string }[] {
  const { namespace } = owner.metadata
  const labels = owner.spec?.template?.metadata?.labels
  return lister
    .list(PodDisruptionBudget, { namespace })
    .filter((budget) => matches(budget.spec?.selector, labels))
    .map((budget) => ({ name: budget.metadata.name!, namespace }))
}
