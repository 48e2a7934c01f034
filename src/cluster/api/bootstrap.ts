import type { KubeObject } from '#kube'
import { builtinResources } from '../machinery/index.ts'
import { trustObject } from './aggregation/trust.ts'
import { localRequest } from './local-request.ts'
import { type Api, idOf, type ResourceRequest } from './request.ts'
import { kubernetesIp } from './services.ts'
import { StatusError } from './status.ts'
import { createObject, updateObject } from './write.ts'

const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

const objects: readonly KubeObject[] = [
  ...namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
  priorityClass(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
  priorityClass(
    'system-node-critical',
    2_000_001_000,
    'Used for system critical pods that must not be moved from their current node.',
  ),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: kubernetesIp,
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 443 }],
      type: 'ClusterIP',
    },
  },
]

function priorityClass(name: string, value: number, description: string): KubeObject {
  return { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description }
}

/** Creates what every cluster has; what exists is left alone, but for where the server itself listens. */
export async function bootstrap(api: Api, port: number): Promise<void> {
  await ensure(api, [...objects.map((object) => structuredClone(object)), trustObject(api)])
  await publish(api, port)
}

/** Creates those of the objects that do not exist. They are the caller's no more. */
export async function ensure(api: Api, wanted: readonly KubeObject[]): Promise<void> {
  const missing = wanted.filter((object) => {
    const rr = requestFor(api, object)
    return !api.store.get(rr.resource, idOf(rr.namespace, object.metadata.name!))
  })
  await Promise.all(missing.map((object) => create(api, object)))
}

/** The EndpointSlice of default/kubernetes: the Service has no selector, so nobody else makes it. */
async function publish(api: Api, port: number): Promise<void> {
  const slice: KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  }
  const rr = { ...requestFor(api, slice), name: 'kubernetes' }
  const existing = api.store.get(rr.resource, 'default/kubernetes')
  if (!existing) await create(api, slice)
  else await updateObject(rr, writing, (current) => ({ ...current, ports: slice['ports'] }))
}

const writing = {
  dryRun: false,
  fieldManager: '',
  manager: 'kube-apiserver',
  fieldValidation: 'Ignore',
  force: false,
} as const

async function create(api: Api, object: KubeObject): Promise<void> {
  try {
    await createObject(requestFor(api, object), object, writing)
  } catch (error) {
    if (!(error instanceof StatusError && error.reason === 'AlreadyExists')) throw error
  }
}

function requestFor(api: Api, object: KubeObject): ResourceRequest {
  const info = builtinResources().find((one) => {
    const apiVersion = one.group === '' ? one.version : `${one.group}/${one.version}`
    return one.kind === object.kind && apiVersion === object.apiVersion
  })!
  return localRequest(api, info, object.metadata.namespace)
}
