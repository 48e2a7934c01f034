import {
  ControllerRevision,
  DaemonSet,
  isConflict,
  isNotFound,
  type KubeObject,
  matches,
  Node,
  type objects,
  Pod,
} from '#kube'
import { backoffDelay, type Clock, equal, errorMessage } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { claim, Departed, Orphans, reviseTemplate, revisionLabel, settleClaim, slowStart } from '../shared/index.ts'
import { daemonPod } from './daemon-pod.ts'
import { type DaemonPlan, planDaemonSet } from './plan.ts'

/** Pause before a daemon that failed is replaced on its node: 1 s, doubling, at most 15 min. */
const pause = { initial: 1_000, max: 900_000, jitter: 0 }

/** Keeps one pod of each DaemonSet on every node that it is meant for. */
export function daemonSetController({ clock }: { clock: Clock }): Controller<any> {
  const orphans = new Orphans(DaemonSet)
  const departed = new Departed()
  const failures = new Failures(clock)
  const shapes = new Map<string, object>()

  /** Heartbeats change nodes every few seconds; only what decides who runs where is of interest. */
  function onNode(node: objects.Node, lister: Lister) {
    const name = node.metadata.name!
    const shape = { labels: node.metadata.labels, taints: node.spec?.taints }
    const gone = lister.get(Node, name) === undefined
    if (!gone && equal(shapes.get(name), shape)) return []
    if (gone) shapes.delete(name)
    else shapes.set(name, shape)
    return lister.list(DaemonSet).map(({ metadata }) => ({ name: metadata.name!, namespace: metadata.namespace }))
  }

  return controller(DaemonSet, {
    name: 'daemonset-controller',
    owns: [Pod, ControllerRevision],
    watches: [
      { type: Node, map: onNode },
      { type: Pod, map: (pod: objects.Pod, lister) => orphans.observe(pod, lister) },
    ],
  }).step('daemons', async (axn: Axn<any>) => {
    const set = axn.object as objects.DaemonSet
    const { namespace, uid } = set.metadata
    // A selector of everything would take in every orphan there is.
    if (equal(set.spec?.selector, {}) || !matches(set.spec?.selector, set.spec?.template.metadata?.labels)) return axn
    const found = claim(
      set as KubeObject,
      set.spec?.selector,
      axn.lister.owned(Pod, uid!),
      orphans.of(namespace!, axn.lister),
    )
    if (found.adopt.length + found.release.length > 0) {
      if (await settleClaim(axn.kube, DaemonSet, set as KubeObject, Pod, found)) found.owned.push(...found.adopt)
    }
    departed.settle(uid!, new Set(found.owned.map((pod) => pod.metadata.uid!)))
    const prefix = `${set.metadata.name}-`
    const revisions = axn.lister.owned(ControllerRevision, uid!)
    const inUse = new Set(found.owned.map(({ metadata }) => prefix + (metadata.labels?.[revisionLabel] ?? '')))
    const revised = reviseTemplate(set, revisions, inUse, { hashLabel: revisionLabel })
    if (!axn.deleting) {
      if (revised.create) axn = axn.create(ControllerRevision, revised.create)
      if (revised.bump) {
        const ref = { type: ControllerRevision, name: revised.bump.name, namespace }
        axn = axn.patch(ref, { revision: revised.bump.revision })
      }
      for (const { metadata } of revised.surplus)
        axn = axn.delete({ type: ControllerRevision, name: metadata.name!, namespace }, { uid: metadata.uid })
    }
    const hash = revised.update.slice(prefix.length)
    const pods = found.owned.map((pod) => (departed.has(pod.metadata.uid!) ? going(pod, clock) : pod))
    const plan = planDaemonSet({ set, nodes: axn.lister.list(Node), pods, hash, now: clock.now() })
    axn = await createPods(axn, plan, hash)
    axn = await endPods(axn, plan, departed, failures)
    if (plan.nextIn !== undefined) axn = axn.requeueAfter(plan.nextIn)
    return axn.status(plan.status)
  })
}

/** What the cache does not show yet. */
function going(pod: KubeObject & objects.Pod, clock: Clock): KubeObject & objects.Pod {
  const deletionTimestamp = pod.metadata.deletionTimestamp ?? new Date(clock.now()).toISOString()
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp } }
}

async function createPods(axn: Axn<any>, plan: DaemonPlan, hash: string): Promise<Axn<any>> {
  const set = axn.object as objects.DaemonSet
  const created: string[] = []
  const { error } = await slowStart(plan.create.length, async (index) => {
    const pod = await axn.kube.create(Pod, daemonPod(set, plan.create[index], hash) as any)
    created.push(pod.metadata.name!)
  })
  for (const name of created) axn = axn.event('SuccessfulCreate', `Created pod: ${name}`)
  if (error === undefined) return axn
  return axn.event('FailedCreate', `Error creating: ${errorMessage(error)}`, { type: 'Warning' }).requeueAfter(1000)
}

async function endPods(axn: Axn<any>, plan: DaemonPlan, departed: Departed, failures: Failures): Promise<Axn<any>> {
  const victims = [...plan.delete, ...plan.succeeded]
  for (const pod of plan.succeeded)
    axn = axn.event('SucceededDaemonPod', `Found succeeded daemon pod ${pod.metadata.namespace}/${pod.metadata.name}`)
  for (const { pod, node } of plan.failed) {
    const left = failures.wait(`${axn.object.metadata.uid} ${node}`, pod.metadata.uid!)
    if (left > 0) {
      axn = axn.requeueAfter(left)
      continue
    }
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`
    const message = `Found failed daemon pod ${name} on node ${node}, will try to kill it`
    axn = axn.event('FailedDaemonPod', message, { type: 'Warning' })
    victims.push(pod)
  }
  const deleted: string[] = []
  await Promise.all(
    victims.map(async ({ metadata: { name, namespace, uid } }) => {
      departed.add(axn.object.metadata.uid!, uid!)
      try {
        await axn.kube.delete(Pod, name!, namespace, { preconditions: { uid: uid! } })
        deleted.push(name!)
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) return
        departed.remove(uid!)
        throw error
      }
    }),
  )
  for (const name of deleted) axn = axn.event('SuccessfulDelete', `Deleted pod: ${name}`)
  return axn
}

/** Per DaemonSet and node: how long a failed pod is left before it is replaced. Forgotten after a good while without failures. */
class Failures {
  readonly #clock: Clock
  readonly #known = new Map<string, { count: number; uid: string; since: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** ms to wait yet; the first failure waits for nothing. */
  wait(key: string, uid: string): number {
    const now = this.#clock.monotonic()
    for (const [other, { since }] of this.#known) if (now - since > 2 * pause.max) this.#known.delete(other)
    let known = this.#known.get(key)
    if (known?.uid !== uid) this.#known.set(key, (known = { count: (known?.count ?? 0) + 1, uid, since: now }))
    if (known.count === 1) return 0
    return Math.max(0, known.since + backoffDelay(known.count - 2, pause) - now)
  }
}
