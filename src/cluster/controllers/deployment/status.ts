import { type ConditionInput, setCondition, unlessZero, withoutCondition } from '../shared/index.ts'
import { bounds, type Deployment, type Member, replicasOf, sizeOf } from './fleet.ts'

type Conditions = readonly Record<string, any>[]
type Status = Record<string, any>

const endless = 2 ** 31 - 1

/** The counts of status, from what the ReplicaSets report. */
export function counts(deployment: Deployment, current: Member | undefined, old: readonly Member[]): Status {
  const all = [...old, ...(current ? [current] : [])]
  const sum = (field: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas') =>
    all.reduce((total, { rs }) => total + (rs.status?.[field] ?? 0), 0)
  const available = sum('availableReplicas')
  return {
    observedGeneration: deployment.metadata.generation,
    replicas: unlessZero(sum('replicas')),
    updatedReplicas: unlessZero(current?.rs.status?.replicas ?? 0),
    readyReplicas: unlessZero(sum('readyReplicas')),
    availableReplicas: unlessZero(available),
    unavailableReplicas: unlessZero(Math.max(0, sizeOf(all) - available)),
    terminatingReplicas: sum('terminatingReplicas'),
  }
}

export function hasDeadline(deployment: Deployment): boolean {
  return (deployment.spec?.progressDeadlineSeconds ?? endless) !== endless
}

/** Everything asked for runs, is new, and serves. */
export function isComplete(deployment: Deployment, status: Status): boolean {
  const replicas = replicasOf(deployment)
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas
  )
}

function hasProgressed(before: Status, after: Status): boolean {
  const old = (status: Status) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

export function findCondition(conditions: Conditions, type: string): Record<string, any> | undefined {
  return conditions.find((condition) => condition.type === type)
}

export function setProgressing(conditions: Conditions, input: Omit<ConditionInput, 'type'>, now: number): Conditions {
  return setCondition(conditions, { type: 'Progressing', ...input }, now, { update: true })
}

/** Available, from the counts. */
export function availability(deployment: Deployment, conditions: Conditions, status: Status, now: number): Conditions {
  const enough = (status.availableReplicas ?? 0) >= replicasOf(deployment) - bounds(deployment).unavailable
  const input: ConditionInput = enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
  return setCondition(conditions, input, now, { update: true })
}

/**
 * Progressing during a rollout (deployment/progress.go): complete, moving, or past its deadline, which is only
 * reported. `nextIn` is when the deadline is to be looked at again, ms.
 */
export function progress(
  deployment: Deployment,
  conditions: Conditions,
  status: Status,
  current: Member | undefined,
  now: number,
): { conditions: Conditions; nextIn?: number } {
  if (!hasDeadline(deployment)) return { conditions: withoutCondition(conditions, 'Progressing') }
  const before = findCondition(conditions, 'Progressing')
  const settled = status.replicas === status.updatedReplicas && before?.reason === 'NewReplicaSetAvailable'
  if (settled) return { conditions }
  const subject = current ? `ReplicaSet "${current.name}"` : `Deployment "${deployment.metadata.name}"`

  if (isComplete(deployment, status)) {
    const message = `${subject} has successfully progressed.`
    return {
      conditions: setProgressing(conditions, { status: 'True', reason: 'NewReplicaSetAvailable', message }, now),
    }
  }
  const deadline = deployment.spec!.progressDeadlineSeconds! * 1000
  if (hasProgressed(deployment.status ?? {}, status)) {
    const fresh = setProgressing(
      withoutCondition(conditions, 'Progressing'),
      { status: 'True', reason: 'ReplicaSetUpdated', message: `${subject} is progressing.` },
      now,
    )
    const kept = fresh.map((condition) =>
      condition.type === 'Progressing' && before?.status === 'True'
        ? { ...condition, lastTransitionTime: before.lastTransitionTime }
        : condition,
    )
    return { conditions: kept, nextIn: deadline + 1000 }
  }
  if (!before || before.reason === 'ProgressDeadlineExceeded') return { conditions }
  if (before.reason === 'NewReplicaSetAvailable') return { conditions }
  const left = Date.parse(before.lastUpdateTime ?? '') + deadline - now
  if (left >= 0) return { conditions, nextIn: left + 1000 }
  const message = `${subject} has timed out progressing.`
  return {
    conditions: setProgressing(conditions, { status: 'False', reason: 'ProgressDeadlineExceeded', message }, now),
  }
}

/** DeploymentPaused and DeploymentResumed: the deadline does not run while a Deployment is paused. */
export function pauseCondition(deployment: Deployment, conditions: Conditions, now: number): Conditions {
  if (!hasDeadline(deployment)) return conditions
  const reason = findCondition(conditions, 'Progressing')?.reason
  if (reason === 'ProgressDeadlineExceeded') return conditions
  const paused = deployment.spec?.paused === true
  if (paused && reason !== 'DeploymentPaused')
    return setProgressing(
      conditions,
      { status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' },
      now,
    )
  if (!paused && reason === 'DeploymentPaused')
    return setProgressing(
      conditions,
      { status: 'Unknown', reason: 'DeploymentResumed', message: 'Deployment is resumed' },
      now,
    )
  return conditions
}

/** ReplicaFailure, as the newest ReplicaSet that has one reports it. */
export function failure(conditions: Conditions, current: Member | undefined, old: readonly Member[], now: number) {
  const of = (each: Member) => findCondition((each.rs.status?.conditions ?? []) as any, 'ReplicaFailure')
  const found = (current && of(current)) ?? old.map(of).find((condition) => condition !== undefined)
  if (!found) return withoutCondition(conditions, 'ReplicaFailure')
  const { status, reason = '', message = '' } = found
  return setCondition(conditions, { type: 'ReplicaFailure', status, reason, message }, now, { update: true })
}
