import type { objects } from '#kube'
import type { ConditionInput } from '../shared/index.ts'
import { type History, type Limited, limit } from './behavior.ts'
import type { Situation } from './calculate.ts'
import { type Failure, judgeMetric } from './metric-kinds.ts'
import type { Reading } from './samples.ts'

type Autoscaler = objects.HorizontalPodAutoscaler

/** Unless behavior says otherwise; kube-controller-manager's --horizontal-pod-autoscaler-tolerance. */
const tolerance = 0.1

export interface AutoscalerInput {
  hpa: Autoscaler
  scale: { current: number; observed: number }
  pods: readonly objects.Pod[]
  /** One per metric of the spec, in its order. */
  readings: readonly Reading[]
  history: History
  now: number
}

export interface AutoscalerPlan {
  desired: number
  /** False: no metric said how many there should be, and what was desired before still is. */
  decided: boolean
  /** Why replicas change; undefined when they do not. */
  reason?: string
  conditions: ConditionInput[]
  currentMetrics: objects.MetricStatus[]
  events: { reason: string; message: string }[]
  history: History
}

const limitMessages: Record<Limited['limit'], string> = {
  DesiredWithinRange: 'the desired count is within the acceptable range',
  TooManyReplicas: 'the desired replica count is more than the maximum replica count',
  TooFewReplicas: 'the desired replica count is less than the minimum replica count',
  ScaleUpLimit: 'the desired replica count is increasing faster than the maximum scale rate',
  ScaleDownLimit: 'the desired replica count is decreasing faster than the maximum scale rate',
}

const stabilisedMessages: Record<Limited['stabilised'], string> = {
  ReadyForNewScale: 'recommended size matches current size',
  ScaleUpStabilized: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
  ScaleDownStabilized:
    'recent recommendations were higher than current one, applying the highest recent recommendation',
}

/** One pass over an autoscaler (upstream's reconcileAutoscaler): how many replicas its target is to have. Pure. */
export function planAutoscaler(input: AutoscalerInput): AutoscalerPlan {
  const { hpa, scale, now } = input
  const { current } = scale
  const { minReplicas: min = 1, maxReplicas: max, behavior } = hpa.spec!
  const history = input.history.recommendations.length > 0 ? input.history : startedAt(current, now)
  const plan: AutoscalerPlan = {
    desired: current,
    decided: true,
    conditions: [],
    currentMetrics: [],
    events: [],
    history,
  }
  const put = (type: string, ok: boolean, reason: string, message: string) =>
    plan.conditions.push({ type, status: ok ? 'True' : 'False', reason, message })
  put('AbleToScale', true, 'SucceededGetScale', "the HPA controller was able to get the target's current scale")
  if (current === 0 && min !== 0) {
    const message = 'scaling is disabled since the replica count of the target is zero'
    put('ScalingActive', false, 'ScalingDisabled', message)
    return plan
  }
  if (current > max) return { ...plan, desired: max, reason: 'Current number of replicas above Spec.MaxReplicas' }
  if (current < min) return { ...plan, desired: min, reason: 'Current number of replicas below Spec.MinReplicas' }

  const judged = judge(input)
  plan.currentMetrics = judged.statuses
  for (const { failure, error } of judged.failures) plan.events.push({ reason: failure, message: error })
  const [first] = judged.failures
  const all = judged.statuses.length
  const summary =
    first && `invalid metrics (${judged.failures.length} invalid out of ${all}), first error is: ${first.summary}`
  if (judged.failed) {
    put('ScalingActive', false, first.failure, `the HPA was unable to compute the replica count: ${first.error}`)
    plan.events.push({ reason: 'FailedComputeMetricsReplicas', message: summary })
    return { ...plan, decided: false }
  }
  const found = `the HPA was able to successfully calculate a replica count from ${judged.name}`
  put('ScalingActive', true, 'ValidMetricFound', found)
  const limited = limit(judged.replicas, { current, min, max }, behavior, history, now)
  put('AbleToScale', true, limited.stabilised, stabilisedMessages[limited.stabilised])
  put('ScalingLimited', limited.limit !== 'DesiredWithinRange', limited.limit, limitMessages[limited.limit])
  plan.history = { ...history, recommendations: limited.recommendations }
  plan.desired = limited.replicas
  if (plan.desired !== current)
    plan.reason = plan.desired > current ? `${judged.name} above target` : 'All metrics below target'
  return plan
}

/** The first pass remembers what there was, so that a restart of the controller scales nothing down at once. */
function startedAt(replicas: number, at: number): History {
  return { recommendations: [{ replicas, at }], added: [], removed: [] }
}

/** The metric that asks for most decides; where one says nothing, the others may only ask for more. */
function judge({ hpa, scale, pods, readings, now }: AutoscalerInput) {
  const { metrics = [], behavior } = hpa.spec!
  const share = (rules: objects.HPAScalingRules | undefined) => Number(rules?.tolerance ?? tolerance)
  const situation: Situation = {
    ...scale,
    pods,
    tolerance: { up: share(behavior?.scaleUp), down: share(behavior?.scaleDown) },
    now,
  }
  const statuses: objects.MetricStatus[] = []
  const failures: Failure[] = []
  let best: { name: string; replicas: number } | undefined
  for (const [index, metric] of metrics.entries()) {
    const result = judgeMetric(metric, readings[index], hpa.metadata.namespace!, situation)
    if ('error' in result) {
      failures.push(result)
      // As Go has it: a list as long as the spec's, of which some were never filled in.
      statuses.push({ type: '' })
      continue
    }
    statuses.push(result.status)
    if (!best || result.replicas > best.replicas) best = result
  }
  const failed = !best || (failures.length > 0 && best.replicas < scale.current)
  if (!best && failures.length === 0)
    failures.push({ failure: 'InvalidMetricSourceType', error: 'no metrics', summary: 'no metrics' })
  return { statuses, failures, failed, name: best?.name ?? '', replicas: best?.replicas ?? 0 }
}

/** What was done, for the policies that limit how much may be done in a time; what is older than all of them is forgotten. */
export function recordChange(
  history: History,
  behavior: objects.HorizontalPodAutoscalerBehavior | undefined,
  change: number,
  now: number,
): History {
  const policies = [...(behavior?.scaleUp?.policies ?? []), ...(behavior?.scaleDown?.policies ?? [])]
  const longest = Math.max(15, ...policies.map(({ periodSeconds }) => periodSeconds))
  const keep = (events: History['added']) => events.filter(({ at }) => at > now - longest * 1000)
  const [added, removed] = [keep(history.added), keep(history.removed)]
  if (change > 0) return { ...history, added: [...added, { change, at: now }], removed }
  return { ...history, added, removed: [...removed, { change: -change, at: now }] }
}
