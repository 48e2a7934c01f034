import type { KubeObject } from '#kube'
import { isObject, type JsonObject } from '#lib'
import type { ResourceInfo } from '../../machinery/index.ts'
import { bodyLimit, decode, mediaType, readObject, unsupportedMediaType } from '../body.ts'
import { negotiate, render } from '../negotiate.ts'
import { writeOptions } from '../options.ts'
import { current } from '../read.ts'
import type { ApiResponse, ResourceRequest } from '../request.ts'
import { selectorString } from '../selectors.ts'
import { badRequest, invalid } from '../status.ts'
import { patcher } from '../verbs.ts'
import { updateObject } from '../write.ts'

const scaleKind = { group: 'autoscaling', kind: 'Scale' }

/** GET, PUT and PATCH of autoscaling/v1 Scale: the replicas of whatever kind, under one name. */
export async function scale(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const { method } = rr.request
  if (method === 'GET') return render(rr.request, format, 200, scaleOf(rr.info, (await current(rr)).object))
  const options = writeOptions(rr, method === 'PUT' ? 'UpdateOptions' : 'PatchOptions')
  const change = method === 'PUT' ? await replacement(rr) : await scalePatch(rr)
  const stored = await updateObject(rr, { ...options, patched: true, fieldValidation: 'Ignore' }, (object) => {
    const next = change(scaleOf(rr.info, object))
    const replicas = isObject(next['spec']) ? (next['spec']['replicas'] ?? 0) : 0
    if (!Number.isInteger(replicas) || replicas < 0) {
      const message = `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`
      throw invalid(scaleKind, rr.name!, [{ reason: 'FieldValueInvalid', message, field: 'spec.replicas' }])
    }
    const version = isObject(next['metadata']) ? next['metadata']['resourceVersion'] : undefined
    const scaled = withPath(object, rr.info.subresources.scale!.specReplicasPath, replicas)
    return { ...scaled, metadata: { ...object.metadata, resourceVersion: version } } as KubeObject
  })
  return render(rr.request, format, 200, scaleOf(rr.info, stored.object))
}

async function replacement(rr: ResourceRequest): Promise<(scale: JsonObject) => JsonObject> {
  const body = await readObject(rr.request, 'Scale')
  return () => body
}

async function scalePatch(rr: ResourceRequest): Promise<(scale: JsonObject) => JsonObject> {
  const type = mediaType(rr.request.headers['content-type'])
  const types = [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
  ]
  if (!types.includes(type)) throw unsupportedMediaType(types.join(', '))
  const body = await decode(await rr.request.body(bodyLimit), type, 'Scale')
  // Scale has no lists: a strategic merge patch of it is a merge patch.
  const change = patcher(rr, type.includes('strategic') ? 'application/merge-patch+json' : type, body)
  return (before) => {
    const next = change(before as KubeObject)
    if (!isObject(next)) throw badRequest('the patch does not leave an object')
    // A patch without resourceVersion goes for whatever there is.
    const asked = isObject(body) && isObject(body['metadata']) ? body['metadata']['resourceVersion'] : undefined
    return { ...next, metadata: { ...next['metadata'], resourceVersion: asked } }
  }
}

function scaleOf(info: ResourceInfo, object: KubeObject): JsonObject {
  const paths = info.subresources.scale!
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.labelSelectorPath ? selectorString(atPath(object, paths.labelSelectorPath)) : ''
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: atPath(object, paths.specReplicasPath) ?? 0 },
    status: { replicas: atPath(object, paths.statusReplicasPath) ?? 0, ...(selector && { selector }) },
  }
}

function atPath(object: any, path: string): any {
  return path
    .split('.')
    .filter(Boolean)
    .reduce((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), object)
}

function withPath(object: JsonObject, path: string, value: unknown): JsonObject {
  const [key, ...rest] = path.split('.').filter(Boolean)
  if (rest.length === 0) return { ...object, [key]: value }
  return { ...object, [key]: withPath(isObject(object[key]) ? object[key] : {}, rest.join('.'), value) }
}
