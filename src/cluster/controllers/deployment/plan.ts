import { equal } from '#lib'
import {
  annotation,
  byAge,
  type Deployment,
  isRecreate,
  type Member,
  member,
  type ReplicaSet,
  revisionOf,
  sameTemplate,
} from './fleet.ts'
import { isScaling, scaleProportionally } from './proportional.ts'
import { currentAnnotations, newReplicaSet, sizeAnnotations, templateHash } from './revision.ts'
import { newSize, shrinkOld } from './rolling.ts'
import * as report from './status.ts'

export interface RolloutInput {
  deployment: Deployment
  /** Those that the Deployment owns. */
  replicaSets: readonly ReplicaSet[]
  /** Names of ReplicaSets that others own in this namespace: a hash collision. */
  taken?: (name: string) => boolean
  /** Recreate: a pod of an old ReplicaSet still exists, be it terminating. */
  oldPodsLeft?: boolean
  now: number
}

export interface RolloutPlan {
  create?: ReturnType<typeof newReplicaSet>
  /** ReplicaSets to be changed, guarded by the resourceVersion that was looked at. */
  change: { rs: ReplicaSet; replicas?: number; annotations?: Record<string, string>; minReadySeconds?: number }[]
  remove: ReplicaSet[]
  /** The Deployment's own revision annotation, when it is to be moved. */
  revision?: string
  status: Record<string, any>
  events: { reason: string; message: string }[]
  /** Look again after so many ms. */
  nextIn?: number
}

/**
 * One pass over a Deployment, decided from what is there (upstream's syncDeployment): at most one of scale, grow new,
 * shrink old happens per pass; the events of the ReplicaSets bring the next.
 */
export function planRollout(input: RolloutInput): RolloutPlan {
  const { deployment, now } = input
  const paused = deployment.spec?.paused === true
  const members = input.replicaSets.map(member).sort(byAge)
  const current = members.find(({ rs }) => sameTemplate(rs.spec?.template as any, deployment.spec?.template as any))
  const old = members.filter((each) => each !== current)
  const plan: RolloutPlan = { change: [], remove: [], status: {}, events: [] }
  let conditions: readonly Record<string, any>[] = deployment.status?.conditions ?? []
  let collisions = deployment.status?.collisionCount ?? 0

  if (deployment.metadata.deletionTimestamp === undefined) {
    conditions = report.pauseCondition(deployment, conditions, now)
    const scaling = paused || isScaling(deployment, members)
    if (current) {
      current.annotations = currentAnnotations(deployment, current.annotations, old)
      if (!report.findCondition(conditions, 'Progressing') && report.hasDeadline(deployment)) {
        const message = `Found new replica set "${current.name}"`
        conditions = report.setProgressing(conditions, { status: 'True', reason: 'FoundNewReplicaSet', message }, now)
      }
    }
    if (scaling) {
      scaleProportionally(deployment, current, old)
      for (const each of members) if (each.size > 0) Object.assign(each.annotations, sizeAnnotations(deployment))
      if (paused) plan.remove = surplusHistory(deployment, old)
    } else if (isRecreate(deployment) && (drain(old) || input.oldPodsLeft)) {
      // Nothing new before everything old is gone.
    } else if (!current) {
      let hash = templateHash(deployment.spec?.template, collisions)
      while (input.taken?.(`${deployment.metadata.name}-${hash}`)) {
        hash = templateHash(deployment.spec?.template, ++collisions)
      }
      const size = newSize(deployment, 0, old)
      plan.create = newReplicaSet(deployment, hash, size, old)
      const name = plan.create.metadata.name
      if (size > 0) plan.events.push(scalingEvent(name, 0, size))
      if (report.hasDeadline(deployment)) {
        const message = `Created new replica set "${name}"`
        conditions = report.setProgressing(conditions, { status: 'True', reason: 'NewReplicaSetCreated', message }, now)
      }
    } else {
      current.size = newSize(deployment, current.size, old)
      const grew = current.size !== (current.rs.spec?.replicas ?? 1)
      if (grew) Object.assign(current.annotations, sizeAnnotations(deployment))
      else if (!isRecreate(deployment)) shrinkOld(deployment, current, old)
    }
  }

  collectChanges(plan, deployment, members, current)
  const status = report.counts(deployment, current, old)
  conditions = report.availability(deployment, conditions, status, now)
  if (!paused && deployment.metadata.deletionTimestamp === undefined) {
    const progressed = report.progress(deployment, conditions, status, current, now)
    conditions = progressed.conditions
    plan.nextIn = progressed.nextIn
    if (report.isComplete(deployment, status)) plan.remove = surplusHistory(deployment, old)
  }
  conditions = report.failure(conditions, current, old, now)
  plan.status = { ...status, conditions, collisionCount: collisions || undefined }
  const revision = plan.create?.metadata.annotations[annotation.revision] ?? current?.annotations[annotation.revision]
  if (revision && deployment.metadata.annotations?.[annotation.revision] !== revision) plan.revision = revision
  return plan
}

/** Recreate: everything old goes to 0. True when something had to. */
function drain(old: readonly Member[]): boolean {
  const active = old.filter(({ size }) => size > 0)
  for (const each of active) each.size = 0
  return active.length > 0
}

function collectChanges(
  plan: RolloutPlan,
  deployment: Deployment,
  members: readonly Member[],
  current: Member | undefined,
) {
  for (const each of members) {
    const before = each.rs.spec?.replicas ?? 1
    const resized = each.size !== before
    if (resized) {
      Object.assign(each.annotations, sizeAnnotations(deployment))
      plan.events.push(scalingEvent(each.name, before, each.size))
    }
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
    const minReadyMoved = each === current && (each.rs.spec?.minReadySeconds ?? 0) !== minReadySeconds
    const annotated = !equal(each.annotations, each.rs.metadata.annotations ?? {})
    if (!resized && !annotated && !minReadyMoved) continue
    plan.change.push({
      rs: each.rs,
      ...(resized ? { replicas: each.size } : {}),
      ...(annotated ? { annotations: each.annotations } : {}),
      ...(minReadyMoved ? { minReadySeconds } : {}),
    })
  }
}

/** Old ReplicaSets beyond revisionHistoryLimit that hold nothing any more, lowest revision first. */
function surplusHistory(deployment: Deployment, old: readonly Member[]): ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10
  const kept = old.filter(({ rs }) => rs.metadata.deletionTimestamp === undefined)
  return kept
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, Math.max(0, kept.length - limit))
    .filter(
      ({ rs, size }) =>
        size === 0 &&
        (rs.spec?.replicas ?? 1) === 0 &&
        (rs.status?.replicas ?? 0) === 0 &&
        (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0),
    )
    .map(({ rs }) => rs)
}

function scalingEvent(name: string, from: number, to: number) {
  const direction = to > from ? 'up' : 'down'
  return { reason: 'ScalingReplicaSet', message: `Scaled ${direction} replica set ${name} from ${from} to ${to}` }
}
