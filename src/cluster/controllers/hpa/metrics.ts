import { isNotFound, type Kube, labelSelector, type objects } from '#kube'
import { type Clock, errorMessage, parseDuration } from '#lib'
import { milli, type Reading, type Sample } from './samples.ts'

/** Where an autoscaler's metrics come from. */
export interface MetricsSource {
  /** `selector` is the target's, as text. */
  read(metric: objects.MetricSpec, namespace: string, selector: string): Promise<Reading>
}

/** How long discovery's answer about a group holds, ms. */
const versionTtl = 60_000
/** Where a metric does not say over which time it was measured, ms. */
const defaultWindow = 60_000

/** The three metrics APIs of Kubernetes, as far as the cluster serves them. */
export function kubeMetrics(kube: Kube, clock: Clock): MetricsSource {
  const versions = new Map<string, { version: string | undefined; until: number }>()

  async function versionOf(group: string): Promise<string | undefined> {
    const known = versions.get(group)
    if (known && known.until > clock.monotonic()) return known.version
    let version: string | undefined
    try {
      version = (await kube.request('GET', `/apis/${group}`)).preferredVersion?.version
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    versions.set(group, { version, until: clock.monotonic() + versionTtl })
    return version
  }

  async function grouped(
    api: 'custom' | 'external',
    path: string,
    query: Record<string, string | undefined>,
  ): Promise<any[]> {
    const group = `${api}.metrics.k8s.io`
    return fetched(api, async () => {
      const version = await versionOf(group)
      if (!version) throw new Error(`no ${api} metrics API (${group}) registered`)
      return (await kube.request('GET', `/apis/${group}/${version}/${path}${queryOf(query)}`)).items
    })
  }

  async function resource(name: string, namespace: string, selector: string, container?: string): Promise<Reading> {
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/pods`
    const items = await fetched('resource', async () => {
      return (await kube.request('GET', path + queryOf({ labelSelector: selector }))).items
    })
    return { pods: usageOf(items, name, container) }
  }

  async function custom(
    path: string,
    metric: objects.MetricIdentifier,
    namespace: string,
    selector?: string,
  ): Promise<any[]> {
    const query = {
      labelSelector: selector,
      metricLabelSelector: metric.selector && labelSelector(metric.selector as objects.LabelSelector),
    }
    const full = `namespaces/${encodeURIComponent(namespace)}/${path}${encodeURIComponent(metric.name)}`
    return grouped('custom', full, query)
  }

  async function object(source: objects.ObjectMetricSource, namespace: string): Promise<Reading> {
    const { describedObject, metric } = source
    const { kind, name, apiVersion = 'v1' } = describedObject
    let path = 'metrics/'
    if (kind !== 'Namespace') {
      const type = await kube.resolve(apiVersion, kind)
      if (!type) return { error: `the cluster does not serve ${apiVersion} ${kind}` }
      path = `${type.plural}${type.group && `.${type.group}`}/${encodeURIComponent(name)}/`
    }
    const [item] = await custom(path, metric, kind === 'Namespace' ? name : namespace)
    return { value: milli(item.value) }
  }

  async function external({ metric }: objects.ExternalMetricSource, namespace: string): Promise<Reading> {
    const path = `namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(metric.name)}`
    const selector = metric.selector && labelSelector(metric.selector as objects.LabelSelector)
    const items = await grouped('external', path, { labelSelector: selector })
    return { value: items.reduce((sum, { value }) => sum + milli(value), 0) }
  }

  async function read(metric: objects.MetricSpec, namespace: string, selector: string): Promise<Reading> {
    if (metric.resource) return resource(metric.resource.name, namespace, selector)
    if (metric.containerResource)
      return resource(metric.containerResource.name, namespace, selector, metric.containerResource.container)
    if (metric.pods) return { pods: samplesOf(await custom('pods/*/', metric.pods.metric, namespace, selector)) }
    if (metric.object) return object(metric.object, namespace)
    if (metric.external) return external(metric.external, namespace)
    return { error: `unknown metric source type "${metric.type}"` }
  }

  return {
    async read(metric, namespace, selector) {
      try {
        return await read(metric, namespace, selector)
      } catch (error) {
        return { error: errorMessage(error) }
      }
    },
  }
}

/** What one of the three APIs has; an error in upstream's words when it cannot be asked or has nothing. */
async function fetched(api: 'resource' | 'custom' | 'external', get: () => Promise<any[]>): Promise<any[]> {
  let items: any[]
  try {
    items = (await get()) ?? []
  } catch (error) {
    throw new Error(`unable to fetch metrics from ${api} metrics API: ${errorMessage(error)}`)
  }
  if (items.length === 0) throw new Error(`no metrics returned from ${api} metrics API`)
  return items
}

function queryOf(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return given.length > 0 ? `?${new URLSearchParams(given)}` : ''
}

/** PodMetrics → use of one resource per pod; a pod of which a container is not known is left out. */
export function usageOf(items: readonly any[], resource: string, only?: string): Map<string, Sample> {
  const samples = new Map<string, Sample>()
  for (const { metadata, timestamp, window, containers = [] } of items) {
    const counted = containers.filter(({ name }: { name: string }) => only === undefined || name === only)
    const usages = counted.map(({ usage }: any) => usage?.[resource])
    if (usages.length === 0 || usages.includes(undefined)) continue
    const value = usages.reduce((sum: number, usage: string) => sum + milli(usage), 0)
    samples.set(metadata.name, {
      value,
      at: Date.parse(timestamp),
      window: parseDuration(String(window)) ?? defaultWindow,
    })
  }
  return samples
}

function samplesOf(items: readonly any[]): Map<string, Sample> {
  return new Map(
    items.map(({ describedObject, timestamp, windowSeconds, value }) => {
      const window = windowSeconds === undefined ? defaultWindow : windowSeconds * 1000
      return [describedObject.name, { value: milli(value), at: Date.parse(timestamp), window }]
    }),
  )
}
