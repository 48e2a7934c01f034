import { labelSelector, type objects } from '#kube'
import { byAverage, byShare, byUtilisation, byValue, type Proposal, type Situation } from './calculate.ts'
import { fromMilli, milli, type Reading } from './samples.ts'

type MetricSpec = objects.MetricSpec

/** What one metric of the spec asks for; `error` is the message, `failure` the reason of the condition when it cannot be said. */
export type Judged =
  | { name: string; replicas: number; status: objects.MetricStatus }
  | { error: string; failure: string }

/** Applies the kind's arithmetic to what was learnt. */
export function judgeMetric(spec: MetricSpec, reading: Reading, situation: Situation): Judged {
  const failure = `FailedGet${spec.type}Metric`
  const fail = (text: string): Judged => ({ failure, error: `failed to get ${what(spec)}: ${text}` })
  if ('error' in reading) return fail(reading.error)
  try {
    const proposal = propose(spec, reading, situation)
    if (!proposal) return { failure: 'InvalidMetricSourceType', error: `unknown metric source type "${spec.type}"` }
    return { name: describe(spec), replicas: proposal.replicas, status: statusOf(spec, proposal) }
  } catch (error) {
    return fail((error as Error).message)
  }
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
      // As Go prints a pointer that is nil.
      return `external metric ${name}(${selector ? labelSelector(selector as objects.LabelSelector) : 'nil'})`
    }
  }
}

/** What could not be got, in upstream's words. */
function what(spec: MetricSpec): string {
  if (spec.type === 'Pods') return 'pods metric value'
  if (spec.type === 'Object') return 'object metric value'
  if (spec.type === 'External') return `external metric ${spec.external?.metric.name}`
  const kind = sourceOf(spec)?.target.averageUtilization === undefined ? 'usage' : 'utilization'
  return `${(spec.resource ?? spec.containerResource)?.name} ${kind}`
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
