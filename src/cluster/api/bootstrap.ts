import type { KubeObject } from '#kube'
import { builtinResources } from '../machinery/index.ts'
import { localRequest } from './local-request.ts'
import { type Api, idOf, type ResourceRequest } from './request.ts'
import { kubernetesIp } from './services.ts'
import { StatusError } from './status.ts'
import { createObject } from './write.ts'

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
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
      type: 'ClusterIP',
    },
  },
]

function priorityClass(name: string, value: number, description: string): KubeObject {
  return { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description }
}

/** Creates what every cluster has. What exists already is left alone. */
export async function bootstrap(api: Api): Promise<void> {
  const missing = objects.filter((object) => {
    const rr = requestFor(api, object)
    return !api.store.get(rr.resource, idOf(rr.namespace, object.metadata.name!))
  })
  await Promise.all(missing.map((object) => create(api, structuredClone(object))))
}

async function create(api: Api, object: KubeObject): Promise<void> {
  const options = {
    dryRun: false,
    fieldManager: '',
    manager: 'kube-apiserver',
    fieldValidation: 'Ignore',
    force: false,
  } as const
  try {
    await createObject(requestFor(api, object), object, options)
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
