import { authorizeResource } from '../authorization.ts'
import { current } from '../read.ts'
import { type ApiResponse, flag, type ResourceRequest } from '../request.ts'
import { badRequest, internal } from '../status.ts'
import { addressOf, containerOf } from './log.ts'

/**
 * Exec, attach and port-forward: who may, to which pod, and where its node serves it. The connection itself is led there
 * by upgrade.ts; a request that does not offer it is refused.
 */
export async function stream(rr: ResourceRequest): Promise<ApiResponse> {
  const { request, subresource, namespace, name, info } = rr
  if (!request.upgrade) throw badRequest('Upgrade request required')
  // A WebSocket can only be a GET, which must not do with less than a POST (Kubernetes 1.35).
  if (request.method === 'GET') {
    const { group, plural } = info
    await authorizeResource(rr.api, request.user, 'create', { group, plural, name, namespace, subresource })
  }
  const pod = (await current(rr)).object
  const parameters = new URLSearchParams()
  let kind = 'portForward'
  let container = ''
  if (subresource === 'portforward') {
    for (const ports of request.query.getAll('ports')) {
      const wrong = ports.split(',').find((port) => !/^\d+$/.test(port))
      if (wrong !== undefined)
        throw badRequest(
          `cannot convert to []int32: strconv.ParseUint: parsing ${JSON.stringify(wrong)}: invalid syntax`,
        )
      parameters.append('ports', ports)
    }
  } else {
    kind = subresource!
    container = `/${encodeURIComponent(containerOf(pod, request.query.get('container') ?? ''))}`
    for (const [ours, theirs] of [
      ['stdin', 'input'],
      ['stdout', 'output'],
      ['stderr', 'error'],
      ['tty', 'tty'],
    ]) {
      if (flag(request.query, ours)) parameters.set(theirs, '1')
    }
    for (const word of request.query.getAll('command')) parameters.append('command', word)
  }
  if (!pod.spec.nodeName) throw badRequest(`pod ${name} does not have a host assigned`)
  const node = rr.api.store.get('core/nodes', pod.spec.nodeName)?.object
  if (!node) throw internal(`node ${JSON.stringify(pod.spec.nodeName)} of pod ${name} is not known`)
  const path = `/${kind}/${encodeURIComponent(namespace!)}/${encodeURIComponent(name!)}${container}?${parameters}`
  return { status: 101, headers: {}, body: [], upstream: { ...addressOf(node), path } }
}
