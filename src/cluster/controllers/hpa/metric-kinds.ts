import type { objects } from '#kube'
import { byAverage, byShare, byUtilisation, byValue, type Proposal, type Situation } from './calculate.ts'
import { fromMilli, milli, type Reading } from './samples.ts'

type MetricSpec = objects.MetricSpec

/** A metric that says nothing, in upstream's words: of the condition (reason and message), and of the event about all metrics. */
export interface Failure {
  failure: string
  error: string
  summary: string
}

/** What one metric of the spec asks for, or why that cannot be said. */
export type Judged = { name: string; replicas: number; status: objects.MetricStatus } | Failure

/** Applies the kind's arithmetic to what was learnt. */
export function judgeMetric(spec: MetricSpec, reading: Reading, namespace: string, situation: Situation): Judged {
  if ('error' in reading) return failed(spec, unread(spec, namespace, reading.error))
  try {
    const proposal = propose(spec, reading, situation)
    if (proposal) return { name: describe(spec), replicas: proposal.replicas, status: statusOf(spec, proposal) }
  } catch (error) {
    return failed(spec, (error as Error).message)
  }
  const error = `unknown metric source type "${spec.type}"`
  return { failure: 'InvalidMetricSourceType', error, summary: error }
}

function propose(
  spec: MetricSpec,
  reading: Exclude<Reading, { error: string }>,
  situation: Situation,
): Proposal | undefined {
  const source = sourceOf(spec)
  if (!source) return undefined
  const { averageUtilization, averageValue, value } = source.target
  if ('pods' in reading) {
    const resource = spec.type === 'Pods' ? undefined : (spec.resource ?? spec.containerResource)!.name
    if (averageUtilization !== undefined && resource !== undefined)
      return byUtilisation(situation, reading.pods, resource, averageUtilization, spec.containerResource?.container)
    return byAverage(situation, reading.pods, resource, milli(averageValue))
  }
  if (averageValue !== undefined) return byShare(situation, reading.value, milli(averageValue))
  return byValue(situation, reading.value, milli(value))
}

export function sourceOf(spec: MetricSpec): { target: objects.MetricTarget } | undefined {
  return spec.resource ?? spec.containerResource ?? spec.pods ?? spec.object ?? spec.external
}

/** The metric's name in upstream's messages. */
export function describe(spec: MetricSpec): string {
  const utilisation = sourceOf(spec)?.target.averageUtilization !== undefined
  switch (spec.type) {
    case 'Resource':
      return `${spec.resource!.name} resource${utilisation ? ' utilization (percentage of request)' : ''}`
    case 'ContainerResource':
      return `${spec.containerResource!.name} container resource${utilisation ? ' utilization (percentage of request)' : ''}`
    case 'Pods':
      return `pods metric ${spec.pods!.metric.name}`
    case 'Object':
      return `${spec.object!.describedObject.kind} metric ${spec.object!.metric.name}`
    default: {
      const { name, selector } = spec.external!.metric
      return `external metric ${name}(${goSelector(selector)})`
    }
  }
}

/** What was not read, and why. */
function unread(spec: MetricSpec, namespace: string, why: string): string {
  if (spec.external) {
    const { name, selector } = spec.external.metric
    return `unable to get external metric ${namespace}/${name}/${goSelector(selector)}: ${why}`
  }
  if (spec.pods) return `unable to get metric ${spec.pods.metric.name}: ${why}`
  if (spec.object) {
    const { describedObject, metric } = spec.object
    return `unable to get metric ${metric.name}: ${why} on ${describedObject.kind} ${namespace}/${describedObject.name}`
  }
  return `unable to get metrics for resource ${(spec.resource ?? spec.containerResource)?.name}: ${why}`
}

function failed(spec: MetricSpec, why: string): Failure {
  const failure = `FailedGet${spec.type}Metric`
  const { averageValue, averageUtilization } = sourceOf(spec)?.target ?? {}
  if (spec.external) {
    const { name } = spec.external.metric
    const whose = averageValue === undefined ? `external metric ${name}` : `${name} external metric`
    return {
      failure,
      error: why,
      summary: `failed to get ${name} external metric value: failed to get ${whose}: ${why}`,
    }
  }
  if (spec.pods) return { failure, error: why, summary: `failed to get pods metric value: ${why}` }
  if (spec.object) {
    const whose = averageValue === undefined ? '' : `failed to get ${spec.object.metric.name} object metric: `
    return { failure, error: why, summary: `failed to get object metric value: ${whose}${why}` }
  }
  const resource = (spec.resource ?? spec.containerResource)?.name
  const error = `failed to get ${resource} ${averageUtilization === undefined ? 'usage' : 'utilization'}: ${why}`
  const value = spec.containerResource ? `${spec.containerResource.container} container` : `${resource} resource`
  return { failure, error, summary: `failed to get ${value} metric value: ${error}` }
}

/** As Go prints a pointer to a selector. */
function goSelector(selector: objects.LabelSelector | undefined): string {
  if (!selector) return 'nil'
  const { matchLabels = {}, matchExpressions = [] } = selector
  const labels = Object.keys(matchLabels).sort()
  const pairs = labels.map((name) => `${name}: ${matchLabels[name]},`).join('')
  const rules = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  return `&LabelSelector{MatchLabels:map[string]string{${pairs}},MatchExpressions:[]LabelSelectorRequirement{${rules.join('')}},}`
}

function statusOf(spec: MetricSpec, { value }: Proposal): objects.MetricStatus {
  const current = {
    ...(value.averageUtilization === undefined ? {} : { averageUtilization: value.averageUtilization }),
    ...(value.averageValue === undefined ? {} : { averageValue: fromMilli(value.averageValue) }),
    ...(value.value === undefined ? {} : { value: fromMilli(value.value) }),
  }
  const { type } = spec
  switch (type) {
    case 'Resource':
      return { type, resource: { name: spec.resource!.name, current } }
    case 'ContainerResource': {
      const { name, container } = spec.containerResource!
      return { type, containerResource: { name, container, current } }
    }
    case 'Pods':
      return { type, pods: { metric: spec.pods!.metric, current } }
    case 'Object': {
      const { metric, describedObject } = spec.object!
      return { type, object: { metric, describedObject, current } }
    }
    default:
      return { type, external: { metric: spec.external!.metric, current } }
  }
}
