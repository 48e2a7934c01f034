import { HorizontalPodAutoscaler, isConflict, type KubeObject, type objects, Pod, pathOf } from '#kube'
import { type Clock, equal, errorMessage, rfc3339 } from '#lib'
import { type Axn, type Controller, controller } from '#operator'
import { setCondition, unlessZero } from '../shared/index.ts'
import type { History } from './behavior.ts'
import { type AutoscalerPlan, planAutoscaler, recordChange } from './decide.ts'
import { kubeMetrics, type MetricsSource } from './metrics.ts'

const defaultPeriod = 2_000
/** A target that is not there yet may be about to be created. */
const soon = 1_000
const fresh: History = { recommendations: [], added: [], removed: [] }

export interface AutoscalerOptions {
  clock: Clock
  /** @default the cluster's metrics APIs */
  metrics?: MetricsSource
  /**
   * How often each autoscaler looks, ms; kube-controller-manager's --horizontal-pod-autoscaler-sync-period, there 15 s for the sake
   * of thousands of them. @default 2000
   */
  autoscalerPeriodMs?: number
}

/** Scales whatever has a scale subresource, by its metrics: see `planAutoscaler`. */
export function autoscalerController({ clock, metrics, autoscalerPeriodMs }: AutoscalerOptions): Controller<any> {
  const period = autoscalerPeriodMs ?? defaultPeriod
  const histories = new Map<string, History>()
  let source = metrics

  async function reconcile(axn: Axn<any>): Promise<Axn<any>> {
    const hpa = axn.object as objects.HorizontalPodAutoscaler
    const uid = hpa.metadata.uid!
    if (axn.deleting) {
      histories.delete(uid)
      return axn
    }
    source ??= kubeMetrics(axn.kube, clock)
    const target = await findTarget(axn, hpa)
    if ('error' in target) {
      const message = `the HPA controller was unable to get the target's current scale: ${target.error}`
      const conditions = setCondition(
        conditionsOf(hpa),
        { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message },
        clock.now(),
      )
      const age = clock.now() - Date.parse(hpa.metadata.creationTimestamp ?? '')
      axn = axn.event('FailedGetScale', target.error, { type: 'Warning' }).status({ conditions })
      return axn.requeueAfter(age < period ? soon : period)
    }
    const { scale } = target
    const current = scale.spec?.replicas ?? 0
    const selector = scale.status?.selector as string | undefined
    if (!selector) return withoutSelector(axn, current, clock).requeueAfter(period)
    const { minReplicas = 1, maxReplicas, metrics: wanted = [] } = hpa.spec!
    const outside = current === 0 || current > maxReplicas || current < minReplicas
    const pods = await podsOf(axn, selector)
    const readings = outside
      ? []
      : await Promise.all(wanted.map((metric) => source!.read(metric, axn.namespace!, selector)))
    const plan = planAutoscaler({
      hpa,
      scale: { current, observed: scale.status?.replicas ?? 0 },
      pods,
      readings,
      history: histories.get(uid) ?? fresh,
      now: clock.now(),
    })
    histories.set(uid, plan.history)
    for (const { reason, message } of plan.events) axn = axn.event(reason, message, { type: 'Warning' })
    axn = axn.requeueAfter(period)
    if (plan.desired === current) return axn.status(statusOf(hpa, plan, current, clock))
    return rescale(axn, target, plan, (change) => {
      histories.set(uid, recordChange(plan.history, hpa.spec!.behavior, change, clock.now()))
    })
  }

  async function rescale(axn: Axn<any>, target: Target, plan: AutoscalerPlan, done: (change: number) => void) {
    const hpa = axn.object as objects.HorizontalPodAutoscaler
    const current: number = target.scale.spec?.replicas ?? 0
    const { desired, reason } = plan
    const put = (ok: boolean, why: string, message: string) =>
      plan.conditions.push({ type: 'AbleToScale', status: ok ? 'True' : 'False', reason: why, message })
    try {
      const body = { ...target.scale, spec: { ...target.scale.spec, replicas: desired } }
      await axn.kube.request('PUT', `${target.path}?fieldManager=horizontal-pod-autoscaler`, { body })
    } catch (error) {
      // Somebody scaled meanwhile: look again.
      if (isConflict(error)) return axn.requeueAfter(soon)
      put(
        false,
        'FailedUpdateScale',
        `the HPA controller was unable to update the target scale: ${errorMessage(error)}`,
      )
      const message = `New size: ${desired}; reason: ${reason}; error: ${errorMessage(error)}`
      const undone = statusOf(hpa, { ...plan, decided: false }, current, clock)
      return axn.event('FailedRescale', message, { type: 'Warning' }).status(undone)
    }
    done(desired - current)
    put(true, 'SucceededRescale', `the HPA controller was able to update the target scale to ${desired}`)
    return axn
      .event('SuccessfulRescale', `New size: ${desired}; reason: ${reason}`)
      .status({ ...statusOf(hpa, plan, current, clock), lastScaleTime: rfc3339(clock.now()) })
  }

  return controller(HorizontalPodAutoscaler, {
    name: 'horizontal-pod-autoscaler',
    reads: [Pod],
    // Its own status is no reason to look again before the time has come.
    filter: (hpa, previous) => !equal(hpa.spec, previous?.spec),
  }).step('scale', reconcile)
}

interface Target {
  path: string
  scale: KubeObject
}

async function findTarget(axn: Axn<any>, hpa: objects.HorizontalPodAutoscaler): Promise<Target | { error: string }> {
  const { apiVersion = 'v1', kind, name } = hpa.spec!.scaleTargetRef
  const type = await axn.kube.resolve(apiVersion, kind)
  if (!type) return { error: `no matches for kind "${kind}" in group "${apiVersion.split('/')[0]}"` }
  const path = pathOf(type, { namespace: axn.namespace, name, subresource: 'scale' })
  try {
    return { path, scale: await axn.kube.request('GET', path) }
  } catch (error) {
    return { error: errorMessage(error) }
  }
}

/** From the cache, where the selector says no more than it can look up. */
async function podsOf(axn: Axn<any>, selector: string): Promise<objects.Pod[]> {
  const labels = plainSelector(selector)
  if (labels) return axn.lister.list(Pod, { namespace: axn.namespace, labels })
  const { items } = await axn.kube.listAll(Pod, { namespace: axn.namespace, labelSelector: selector })
  return items
}

/** `a=b,c=d` as labels; undefined for selectors that say more. */
export function plainSelector(selector: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {}
  for (const part of selector.split(',')) {
    const match = /^([A-Za-z0-9_./-]+)==?([A-Za-z0-9_.-]*)$/.exec(part.trim())
    if (!match) return undefined
    labels[match[1]] = match[2]
  }
  return labels
}

function withoutSelector(axn: Axn<any>, current: number, clock: Clock): Axn<any> {
  const message = "the HPA target's scale is missing a selector"
  const condition = { type: 'ScalingActive', status: 'False', reason: 'InvalidSelector', message } as const
  const conditions = setCondition(conditionsOf(axn.object), condition, clock.now())
  return axn
    .event('SelectorRequired', 'selector is required', { type: 'Warning' })
    .status({ currentReplicas: unlessZero(current), desiredReplicas: desiredBefore(axn.object), conditions })
}

/** What the last decision was. */
function desiredBefore(hpa: { status?: { desiredReplicas?: number } }): number {
  return hpa.status?.desiredReplicas ?? 0
}

function conditionsOf(hpa: { status?: { conditions?: object[] } }): readonly Record<string, any>[] {
  return (hpa.status?.conditions ?? []) as Record<string, any>[]
}

function statusOf(
  hpa: objects.HorizontalPodAutoscaler,
  plan: AutoscalerPlan,
  current: number,
  clock: Clock,
): Record<string, any> {
  let conditions = conditionsOf(hpa)
  for (const condition of plan.conditions) conditions = setCondition(conditions, condition, clock.now())
  return {
    observedGeneration: hpa.metadata.generation,
    currentReplicas: unlessZero(current),
    desiredReplicas: plan.decided ? plan.desired : desiredBefore(hpa),
    currentMetrics: plan.currentMetrics.length > 0 ? plan.currentMetrics : undefined,
    conditions,
  }
}
