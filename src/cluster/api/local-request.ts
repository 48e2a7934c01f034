import type { ResourceInfo } from '../machinery/index.ts'
import { resourceKey } from './registry.ts'
import type { Api, ApiRequest, ResourceRequest } from './request.ts'

/** A request that the server makes of itself. */
export function localRequest(api: Api, info: ResourceInfo, namespace: string | undefined): ResourceRequest {
  const request: ApiRequest = {
    method: 'POST',
    path: '',
    query: new URLSearchParams(),
    headers: {},
    user: { name: 'system:apiserver', groups: ['system:masters'] },
    body: async () => Buffer.alloc(0),
    signal: new AbortController().signal,
  }
  return {
    api,
    request,
    info,
    resource: resourceKey(info.group, info.plural),
    namespace,
    name: undefined,
    subresource: undefined,
    rest: '',
    warnings: [],
  }
}
