import { isObject } from '#lib'
import { readObject } from '../body.ts'
import { checkIdentity } from '../identity.ts'
import { negotiate, renderObject } from '../negotiate.ts'
import { writeOptions } from '../options.ts'
import type { ApiResponse, ResourceRequest } from '../request.ts'
import { updateObject } from '../write.ts'

/** PUT of namespaces/NAME/finalize: only spec.finalizers changes; an emptied namespace that is being deleted goes with it. */
export async function finalize(rr: ResourceRequest): Promise<ApiResponse> {
  negotiate(rr.request)
  const options = writeOptions(rr, 'UpdateOptions')
  const object = await readObject(rr.request, rr.info.kind)
  checkIdentity(rr, object)
  const wanted =
    isObject(object['spec']) && Array.isArray(object['spec']['finalizers']) ? object['spec']['finalizers'] : []
  const { resourceVersion } = object.metadata
  const stored = await updateObject(rr, options, (current) => ({
    ...current,
    metadata: { ...current.metadata, resourceVersion },
    spec: { ...current['spec'], finalizers: wanted },
  }))
  return renderObject(rr.request, rr.info, 200, stored, rr.api.clock.now())
}
