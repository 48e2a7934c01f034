import type { KubeObject } from '#kube'
import { isObject } from '#lib'
import { readObject } from '../body.ts'
import { negotiate, render } from '../negotiate.ts'
import { writeOptions } from '../options.ts'
import { type ApiResponse, idOf, nowOf, type ResourceRequest } from '../request.ts'
import { badRequest, conflict, notFound, StatusError } from '../status.ts'

const topologyLabels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

function topologyOf(node: KubeObject | undefined): Record<string, string> {
  const labels = node?.metadata.labels ?? {}
  return Object.fromEntries(topologyLabels.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])))
}

/** POST of v1 Binding: gives a pod its node, once. Conditions and annotations of the binding end up on the pod. */
export async function bind(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const options = writeOptions(rr, 'CreateOptions')
  const body = await readObject(rr.request, 'Binding')
  const target = isObject(body['target']) ? body['target'] : {}
  const metadata = isObject(body['metadata']) ? body['metadata'] : {}
  // Legacy clients POST to …/bindings with the pod's name in the body.
  const name = rr.name ?? String(metadata['name'] ?? '')
  if (rr.name !== undefined && metadata['name'] && metadata['name'] !== rr.name) {
    throw badRequest('name in URL does not match name in Binding object')
  }
  // The kind is judged by a rule whose findings nobody makes a Status of.
  if (target['kind'] && target['kind'] !== 'Node') {
    const problem = `Unsupported value: ${JSON.stringify(target['kind'])}: supported values: "Node", "<empty>"`
    throw new StatusError(500, undefined, `target.kind: ${problem}`)
  }
  if (typeof target['name'] !== 'string' || target['name'] === '') {
    throw new StatusError(500, undefined, 'target.name: Required value')
  }
  const binding = { group: '', plural: 'pods/binding' }
  await rr.api.store.write('core/pods', idOf(rr.namespace, name), (current) => {
    const pod = current?.object
    if (!pod) throw notFound({ group: '', plural: 'pods' }, name)
    if (pod.metadata.deletionTimestamp) {
      throw conflict(binding, name, `pod ${name} is being deleted, cannot be assigned to a host`)
    }
    if (pod.spec.nodeName) {
      throw conflict(binding, name, `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
    }
    if (pod.spec.schedulingGates?.length > 0) {
      throw conflict(binding, name, `pod ${name} has non-empty .spec.schedulingGates`)
    }
    if (metadata['uid'] && metadata['uid'] !== pod.metadata.uid) {
      throw conflict(
        binding,
        name,
        `Precondition failed: UID in precondition: ${metadata['uid']}, UID in object meta: ${pod.metadata.uid}`,
      )
    }
    const others = (pod.status?.conditions ?? []).filter((one: any) => one.type !== 'PodScheduled')
    const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: nowOf(rr.api) }
    // A pod that has a node is promised none, and knows where its node is (KEP-5278, KEP-4742).
    const { nominatedNodeName: _, ...status } = pod.status ?? {}
    const near = topologyOf(rr.api.store.get('core/nodes', String(target['name']))?.object)
    const next = {
      ...pod,
      metadata: {
        ...pod.metadata,
        ...(Object.keys(near).length > 0 && { labels: { ...pod.metadata.labels, ...near } }),
        ...(isObject(metadata['annotations']) && {
          annotations: { ...pod.metadata.annotations, ...metadata['annotations'] },
        }),
      },
      spec: { ...pod.spec, nodeName: target['name'] },
      status: { ...status, conditions: [...others, scheduled] },
    }
    return options.dryRun ? { keep: true } : { put: next }
  })
  return render(rr.request, format, 201, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    code: 201,
  })
}
