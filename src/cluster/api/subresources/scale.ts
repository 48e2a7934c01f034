import type { KubeObject } from '#kube'
import { clone, isObject, type JsonObject } from '#lib'
import { goText, parentEntries, type ResourceInfo, scaleEntries, schemaOf } from '../../machinery/index.ts'
import { readObject } from '../body.ts'
import { checkType } from '../identity.ts'
import { negotiate, render } from '../negotiate.ts'
import { type WriteOptions, writeOptions } from '../options.ts'
import { type Patched, patchedText } from '../patched.ts'
import { current } from '../read.ts'
import type { ApiResponse, ResourceRequest } from '../request.ts'
import { selectorString } from '../selectors.ts'
import { badRequest, conflict, internal, invalid } from '../status.ts'
import { applied, checkManaged, checkUnforced, patcher, patchType, readPatch } from '../verbs.ts'
import { updateObject } from '../write.ts'

/** Scale as a kind of its own, whose objects are nowhere. */
const scaleInfo: ResourceInfo = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  listKind: 'ScaleList',
  plural: 'scales',
  singular: 'scale',
  shortNames: [],
  categories: [],
  namespaced: true,
  verbs: [],
  subresources: {},
  otherSubresources: {},
  get schema() {
    return schemaOf('autoscaling', 'v1', 'Scale')!
  },
  custom: false,
}

/** What a write makes of the Scale there is. */
type Change = (scale: KubeObject) => JsonObject

/** GET, PUT and PATCH of autoscaling/v1 Scale: the replicas of whatever kind, under one name. */
export async function scale(rr: ResourceRequest): Promise<ApiResponse> {
  const { method } = rr.request
  const type = method === 'PATCH' ? patchType(rr) : ''
  const format = negotiate(rr.request)
  if (method === 'GET') return render(rr.request, format, 200, known(rr.info, (await current(rr)).object))
  const options = writeOptions(rr, method === 'PUT' ? 'UpdateOptions' : 'PatchOptions')
  const patched: Patched = { shown: '', strategic: type === 'application/strategic-merge-patch+json' }
  const change = method === 'PUT' ? await replacement(rr) : await scalePatch(rr, type, options, patched)
  const applying = type === 'application/apply-patch+yaml'
  const path = rr.info.subresources.scale!.specReplicasPath
  const more = { fieldValidation: 'Ignore' as const, applied: applying, ...(method === 'PATCH' && { patched }) }
  const stored = await updateObject(rr, { ...options, ...more }, (object) => {
    const before = object.metadata['managedFields']
    const now = scaleOf(rr.info, object)
    const next = change({ ...now, metadata: { ...now.metadata, managedFields: scaleEntries(before, path) } })
    const replicas = checkedReplicas(rr, object, next)
    const { resourceVersion, managedFields: after } = isObject(next['metadata']) ? next['metadata'] : ({} as JsonObject)
    const managedFields = applying ? parentEntries(before, after, path, object.apiVersion) : before
    const scaled = withPath(object, path, replicas)
    return { ...scaled, metadata: { ...object.metadata, resourceVersion, managedFields } } as KubeObject
  })
  return render(rr.request, format, 200, known(rr.info, stored.object))
}

function checkedReplicas(rr: ResourceRequest, object: KubeObject, next: JsonObject): number {
  const replicas = isObject(next['spec']) ? (next['spec']['replicas'] ?? 0) : 0
  if (!Number.isInteger(replicas) || replicas < 0) {
    const message = `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`
    throw invalid(scaleInfo, rr.name!, [{ reason: 'FieldValueInvalid', message, field: 'spec.replicas' }])
  }
  const uid = isObject(next['metadata']) ? next['metadata']['uid'] : undefined
  if (uid && uid !== object.metadata.uid) {
    const problem = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`
    throw conflict(rr.info, rr.name!, problem)
  }
  return replicas
}

async function replacement(rr: ResourceRequest): Promise<Change> {
  const body = await readObject(rr.request, 'Scale')
  checkScale(rr, body)
  return () => body
}

/** A body must be a Scale, and of this object. */
function checkScale(rr: ResourceRequest, body: JsonObject): void {
  checkType(rr, String(body['apiVersion'] || 'autoscaling/v1'), String(body['kind'] || 'Scale'), scaleInfo)
  const metadata = isObject(body['metadata']) ? body['metadata'] : {}
  if (metadata['name'] && metadata['name'] !== rr.name) {
    throw badRequest(`the name of the object (${metadata['name']}) does not match the name on the URL (${rr.name})`)
  }
  if (metadata['namespace'] && metadata['namespace'] !== rr.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

async function scalePatch(rr: ResourceRequest, type: string, options: WriteOptions, patched: Patched): Promise<Change> {
  const body: any = await readPatch(rr, type)
  if (type === 'application/apply-patch+yaml') {
    checkManaged(options)
    checkScale(rr, body)
    return (before) => applied(rr, scaleInfo, before, clone(body), options)
  }
  checkUnforced(rr)
  const change = patcher({ info: scaleInfo }, type, body)
  return (before) => {
    const next = change(before)
    if (!isObject(next)) throw badRequest('the patch does not leave an object')
    patched.shown = patched.strategic ? goText(body) : patchedText(next)
    // A patch without resourceVersion goes for whatever there is.
    const asked = isObject(body) && isObject(body['metadata']) ? body['metadata']['resourceVersion'] : undefined
    return { ...next, metadata: { ...next['metadata'], resourceVersion: asked } }
  }
}

/** The Scale of an object that has replicas; those of definitions may have none. */
function known(info: ResourceInfo, object: KubeObject): KubeObject {
  const path = info.subresources.scale!.specReplicasPath
  if (info.custom && atPath(object, path) === undefined) {
    throw internal(`the spec replicas field ${JSON.stringify(path)} does not exist`)
  }
  return scaleOf(info, object)
}

function scaleOf(info: ResourceInfo, object: KubeObject): KubeObject {
  const paths = info.subresources.scale!
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.labelSelectorPath ? selectorString(atPath(object, paths.labelSelectorPath)) : ''
  const replicas = atPath(object, paths.specReplicasPath)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas ? { replicas } : {},
    status: { replicas: atPath(object, paths.statusReplicasPath) ?? 0, ...(selector && { selector }) },
  } as KubeObject
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
