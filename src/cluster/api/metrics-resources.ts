import type { ResourceInfo } from '../machinery/index.ts'

export const metricsGroup = 'metrics.k8s.io'
export const metricsVersion = 'v1beta1'

/** What metrics-server would add to a cluster; here the API server asks the nodes itself (resource-metrics.ts). */
export const metricsResources: readonly ResourceInfo[] = [
  resource('NodeMetrics', 'nodes', false),
  resource('PodMetrics', 'pods', true),
]

function resource(kind: string, plural: string, namespaced: boolean): ResourceInfo {
  return {
    group: metricsGroup,
    version: metricsVersion,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: '',
    shortNames: [],
    categories: [],
    namespaced,
    verbs: ['get', 'list'],
    subresources: {},
    otherSubresources: {},
    schema: { type: 'object', preserveUnknown: true },
    custom: false,
  }
}
