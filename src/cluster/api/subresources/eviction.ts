import type { KubeObject } from '#kube'
import { isObject } from '#lib'
import { readObject } from '../body.ts'
import { deleteObject, parseDeleteOptions } from '../delete.ts'
import { negotiate, render } from '../negotiate.ts'
import { writeOptions } from '../options.ts'
import { type ApiResponse, idOf, nowOf, type ResourceRequest } from '../request.ts'
import { matchesSelector } from '../selectors.ts'
import { badRequest, internal, notFound, StatusError } from '../status.ts'

const budgets = 'policy/poddisruptionbudgets'

/** POST of policy/v1 Eviction: deletes the pod if its PodDisruptionBudget can afford it, 429 if not (facts §2.10). */
export async function evict(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const options = writeOptions(rr, 'CreateOptions')
  const body = await readObject(rr.request, 'Eviction')
  const metadata = isObject(body['metadata']) ? body['metadata'] : {}
  if (metadata['name'] !== rr.name) throw badRequest('name in URL does not match name in Eviction object')
  const deletion = parseDeleteOptions(
    isObject(body['deleteOptions']) ? body['deleteOptions'] : {},
    new URLSearchParams(),
  )
  const dryRun = options.dryRun || deletion.dryRun
  const pods = { group: '', plural: 'pods' }
  const pod = rr.api.store.get('core/pods', idOf(rr.namespace, rr.name!))?.object
  if (!pod) throw notFound(pods, rr.name!)
  if (!bypasses(pod)) await spend(rr, pod, dryRun)
  if (!dryRun) await markTarget(rr, pod)
  const preconditions = { ...deletion.preconditions, uid: deletion.preconditions.uid ?? pod.metadata.uid }
  await deleteObject(rr, rr.name!, { ...deletion, preconditions, dryRun })
  return render(rr.request, format, 201, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    code: 201,
  })
}

function bypasses(pod: KubeObject): boolean {
  const phase = pod.status?.phase
  return (
    phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined
  )
}

/** Takes one disruption from the pod's budget, in the turn of the write: two evictions cannot spend the same one. */
async function spend(rr: ResourceRequest, pod: KubeObject, dryRun: boolean): Promise<void> {
  const { store } = rr.api
  const found = store
    .list(budgets, rr.namespace)
    .filter((stored) => matchesSelector(stored.object['spec']?.selector, pod.metadata.labels))
  if (found.length === 0) return
  if (found.length > 1) {
    throw internal('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  }
  await store.write(budgets, found[0].id, (current) => {
    const budget = current?.object
    if (!budget) return { keep: true }
    const status = budget['status'] ?? {}
    const name = budget.metadata.name
    const ready = pod.status?.conditions?.some((one: any) => one.type === 'Ready' && one.status === 'True')
    if (!ready) {
      if (budget['spec']?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return { keep: true }
      if ((status.currentHealthy ?? 0) >= (status.desiredHealthy ?? 0) && (status.desiredHealthy ?? 0) > 0)
        return { keep: true }
    }
    if ((status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) {
      throw blocked(`The disruption budget ${name} is still being processed by the server.`, 10)
    }
    if ((status.disruptionsAllowed ?? 0) <= 0) {
      throw blocked(
        `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`,
      )
    }
    if (dryRun) return { keep: true }
    const disruptedPods = { ...status.disruptedPods, [pod.metadata.name!]: nowOf(rr.api) }
    const next = { ...status, disruptionsAllowed: status.disruptionsAllowed - 1, disruptedPods }
    return { put: { ...budget, metadata: { ...budget.metadata }, status: next } }
  })
}

function blocked(message: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...(retryAfterSeconds && { retryAfterSeconds }),
  })
}

async function markTarget(rr: ResourceRequest, pod: KubeObject): Promise<void> {
  await rr.api.store.write('core/pods', idOf(rr.namespace, rr.name!), (current) => {
    if (!current || current.object.metadata.uid !== pod.metadata.uid) return { keep: true }
    const { object } = current
    const others = (object.status?.conditions ?? []).filter((one: any) => one.type !== 'DisruptionTarget')
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastTransitionTime: nowOf(rr.api),
    }
    return {
      put: {
        ...object,
        metadata: { ...object.metadata },
        status: { ...object.status, conditions: [...others, condition] },
      },
    }
  })
}
