import { ClusterRole, type Kube, type KubeObject, type objects, type ResourceType, Service } from '#kube'
import { type Clock, CuddleError } from '#lib'
import { systemNamespace } from '../context.ts'
import { group, versions } from './documents.ts'
import { nodesGroup, nodesVersion } from './nodes.ts'

const name = 'cuddle-signals'
/** The name that the API server expects in our certificate. */
export const serverName = `${name}.${systemNamespace}.svc`

const APIService: ResourceType = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  namespaced: false,
}

const served = [
  ...versions.map((version, index) => ({ group, version, versionPriority: 100 * (versions.length - index) })),
  { group: nodesGroup, version: nodesVersion, versionPriority: 100 },
]

const reachMs = 30_000
const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/managed-by': 'cuddle' }

/** Whoever may look at an app may look at its numbers. */
export const readerRole: KubeObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: {
    name: `${name}-reader`,
    labels: { ...labels, 'rbac.authorization.k8s.io/aggregate-to-view': 'true' },
  },
  rules: [{ apiGroups: [group, nodesGroup], resources: ['*'], verbs: ['get', 'list'] }],
}

export interface Place {
  /** Address or name at which the API server reaches us. */
  host: string
  port: number
  /** PEM of the authority that our certificate is signed by. */
  caBundle: string
}

/**
 * The objects by which a Kubernetes API server finds the metrics server. The Service is of type ExternalName, for that is the one
 * kind that every API server follows to a place outside of the cluster, however it routes, loopback included (docs/adr).
 */
export function registration({ host, port, caBundle }: Place): { service: KubeObject; apiServices: KubeObject[] } {
  return {
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: systemNamespace, labels },
      spec: { type: 'ExternalName', externalName: host, ports: [{ name: 'https', port, protocol: 'TCP' }] },
    },
    apiServices: served.map(({ group, version, versionPriority }) => ({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `${version}.${group}`, labels },
      spec: {
        group,
        version,
        groupPriorityMinimum: 100,
        versionPriority,
        caBundle: Buffer.from(caBundle).toString('base64'),
        service: { namespace: systemNamespace, name, port },
      },
    })),
  }
}

const apiServiceNames = served.map(({ group, version }) => `${version}.${group}`)

/** What the platform must be allowed for all of this, in the cluster and in its own namespace. */
export const metricsRights: { cluster: objects.PolicyRule[]; own: objects.PolicyRule[] } = {
  cluster: [
    { apiGroups: [APIService.group], resources: ['apiservices'], verbs: ['create'] },
    {
      apiGroups: [APIService.group],
      resources: ['apiservices'],
      resourceNames: apiServiceNames,
      verbs: ['get', 'patch', 'delete'],
    },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['extension-apiserver-authentication'],
      verbs: ['get'],
    },
    {
      apiGroups: [ClusterRole.group],
      resources: ['clusterroles'],
      resourceNames: [readerRole.metadata.name!],
      verbs: ['get'],
    },
  ],
  own: [
    { apiGroups: [''], resources: ['services'], verbs: ['create'] },
    { apiGroups: [''], resources: ['services'], resourceNames: [name], verbs: ['get', 'patch'] },
  ],
}

/** @throws CuddleError `metrics-taken` where somebody else serves custom metrics */
export async function checkMetricsFree(kube: Kube): Promise<void> {
  for (const apiService of apiServiceNames) {
    const found = await kube.find(APIService, apiService)
    const by = found?.spec?.service
    if (by && by.name !== name) {
      throw new CuddleError('metrics-taken', `${group} is served by ${by.namespace}/${by.name} in this cluster`, {
        hint: 'go without --metrics-host (BEAM apps are scaled by target: {cpu: 60%} then), or remove that adapter first',
      })
    }
  }
}

/** Applies them. @throws CuddleError `metrics-taken` where somebody else serves custom metrics, and what the API says */
export async function register(kube: Kube, place: Place): Promise<void> {
  const { service, apiServices } = registration(place)
  await checkMetricsFree(kube)
  await kube.apply(Service, service, { fieldManager: 'cuddle' })
  // On a cluster of others whoever installs the platform makes it: the platform itself may not make roles.
  if (!(await kube.find(ClusterRole, readerRole.metadata.name!))) {
    await kube.apply(ClusterRole, readerRole, { fieldManager: 'cuddle' })
  }
  for (const object of apiServices) await kube.apply(APIService, object, { fieldManager: 'cuddle' })
}

/** Whether the API server reaches us where the registration says, asked for half a minute. */
export async function isReached(kube: Kube, clock: Clock, signal: AbortSignal): Promise<boolean> {
  for (const deadline = clock.monotonic() + reachMs; clock.monotonic() < deadline && !signal.aborted; ) {
    const found = await kube.find(APIService, apiServiceNames[0])
    const conditions: { type: string; status: string }[] = found?.status?.conditions ?? []
    if (conditions.some(({ type, status }) => type === 'Available' && status === 'True')) return true
    await clock.sleep(500, signal)
  }
  return signal.aborted
}

/** Takes the registration away: an APIService that nobody answers for keeps namespaces from being deleted. */
export async function unregister(kube: Kube): Promise<void> {
  for (const { group, version } of served) {
    const found = await kube.find(APIService, `${version}.${group}`)
    if (found?.spec?.service?.name === name) await kube.delete(APIService, found.metadata.name!, undefined)
  }
}
