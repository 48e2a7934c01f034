import type { KubeObject } from '#kube'
import { clone, isObject, type JsonObject } from '#lib'
import {
  applyServerSide,
  conflictStatus,
  goText,
  jsonPatch,
  mergePatch,
  PatchError,
  prepareUpdate,
  type ResourceInfo,
  strategicMergePatch,
} from '../machinery/index.ts'
import type { Stored } from '../store/index.ts'
import { bodyLimit, decode, jsonType, mediaType, readObject, unsupportedMediaType } from './body.ts'
import { duplicateFields } from './duplicates.ts'
import { checkIdentity, malformed, typeProblem } from './identity.ts'
import { negotiate, renderObject } from './negotiate.ts'
import { type WriteOptions, writeOptions } from './options.ts'
import { badPatch, type Patched, patchedText } from './patched.ts'
import type { ApiResponse, ResourceRequest } from './request.ts'
import { badRequest, conflict, invalid, invalidOptions, notAllowedHere, StatusError } from './status.ts'
import { createObject, updateObject } from './write.ts'

/** Kinds that a PUT creates when they are missing (AllowCreateOnUpdate). */
const createOnUpdate = new Set([
  'coordination.k8s.io/leases',
  'core/endpoints',
  'core/events',
  'core/limitranges',
  'core/services',
  'node.k8s.io/runtimeclasses',
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterrolebindings',
])

/** Built-in kinds whose PUT must carry a resourceVersion (AllowUnconditionalUpdate false); custom resources all must. */
const conditional = new Set([
  'coordination.k8s.io/leases',
  'policy/poddisruptionbudgets',
  'node.k8s.io/runtimeclasses',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
])

function answer(rr: ResourceRequest, status: number, stored: Stored): Promise<ApiResponse> {
  return renderObject(rr.request, rr.info, status, stored, rr.api.clock.now())
}

/** Notes what a JSON body says twice, unless nobody wants to know. */
async function noteDuplicates({ request }: ResourceRequest, options: WriteOptions, value: unknown): Promise<void> {
  const type = mediaType(request.headers['content-type'])
  if (options.fieldValidation === 'Ignore' || !(type === '' || type.endsWith('json'))) return
  options.duplicates = duplicateFields(await request.body(bodyLimit), value)
}

/** POST. */
export async function create(rr: ResourceRequest): Promise<ApiResponse> {
  negotiate(rr.request)
  const options = writeOptions(rr, 'CreateOptions')
  const object = await readObject(rr.request, rr.info.kind, rr.info.custom)
  await noteDuplicates(rr, options, object)
  checkIdentity(rr, object)
  return answer(rr, 201, await createObject(rr, object, options))
}

/** PUT, of the object or its status. */
export async function update(rr: ResourceRequest): Promise<ApiResponse> {
  if (rr.name === undefined) throw notAllowedHere()
  negotiate(rr.request)
  const options = writeOptions(rr, 'UpdateOptions')
  const object = await readObject(rr.request, rr.info.kind, rr.info.custom)
  await noteDuplicates(rr, options, object)
  checkIdentity(rr, object)
  let created = false
  const missing =
    createOnUpdate.has(rr.resource) && !rr.subresource
      ? () => {
          created = true
          return createObject(
            rr,
            { ...object, metadata: { ...object.metadata, resourceVersion: undefined } } as KubeObject,
            options,
          )
        }
      : undefined
  const stored = await updateObject(rr, { ...options, missing }, (current) => {
    if (!object.metadata.resourceVersion && (rr.info.custom || conditional.has(rr.resource))) {
      const { malformed: problem } = prepareUpdate(rr.info, clone(object), current)
      if (problem !== undefined) throw malformed(rr, problem)
      const message = 'Invalid value: 0: must be specified for an update'
      throw invalid({ group: rr.info.group, kind: rr.info.plural }, rr.name!, [
        { reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' },
      ])
    }
    return object
  })
  return answer(rr, created ? 201 : 200, stored)
}

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

/** PATCH in its four kinds. */
export async function patch(rr: ResourceRequest): Promise<ApiResponse> {
  if (rr.name === undefined) throw notAllowedHere()
  const type = patchType(rr)
  negotiate(rr.request)
  const options = writeOptions(rr, 'PatchOptions')
  const body = await readPatch(rr, type)
  if (type !== 'application/json-patch+json') await noteDuplicates(rr, options, body)
  if (type === 'application/apply-patch+yaml') return apply(rr, options, body)
  checkUnforced(rr)
  const change = patcher(rr, type, body)
  const patched: Patched = { shown: '', strategic: type === 'application/strategic-merge-patch+json' }
  const stored = await updateObject(rr, { ...options, patched }, (current) => {
    const next = change(current)
    if (!isObject(next)) throw badRequest('the patch does not leave an object')
    patched.shown = patched.strategic ? goText(body) : patchedText(next)
    checkPatchedType(rr, patched, next)
    return next as KubeObject
  })
  return answer(rr, 200, stored)
}

/** The patch's media type; 415 for what is none, in the words of whoever finds out: the address, or the definition. */
export function patchType({ request, info }: ResourceRequest): string {
  const type = mediaType(request.headers['content-type'])
  const types = info.custom ? patchTypes.filter((one) => !one.includes('strategic')) : patchTypes
  if (types.includes(type)) return type
  if (info.custom) throw unsupportedMediaType(types.join(', '))
  throw new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
}

/** The body of a patch, which must be a map, or for a JSON patch a list. */
export async function readPatch(rr: ResourceRequest, type: string): Promise<unknown> {
  const bytes = await rr.request.body(bodyLimit)
  const applied = type === 'application/apply-patch+yaml'
  const prefix = applied ? 'error decoding YAML: ' : type.includes('strategic') ? '' : 'error decoding patch: '
  const refuse = (problem: string) => badRequest(prefix + problem)
  const body = await decode(bytes, type, refuse)
  if (type === 'application/json-patch+json') {
    if (Array.isArray(body)) return body
    throw refuse(`json: cannot unmarshal ${jsonType(body)} into Go value of type []handlers.jsonPatchOp`)
  }
  if (isObject(body)) return body
  if (body === null)
    throw badRequest(type === 'application/merge-patch+json' ? 'Invalid JSON Patch' : 'the patch is null')
  const problem = `json: cannot unmarshal ${jsonType(body)} into Go value of type map[string]interface {}`
  throw refuse(applied ? `error unmarshaling JSON: while decoding JSON: ${problem}` : problem)
}

/** Applies must name who applies. */
export function checkManaged(options: WriteOptions): void {
  if (options.fieldManager === '') {
    throw invalidOptions(
      'PatchOptions',
      'fieldManager',
      'FieldValueRequired',
      'Required value: is required for apply patch',
    )
  }
}

/** Only applies may be forced. */
export function checkUnforced({ request }: ResourceRequest): void {
  if (!request.query.has('force')) return
  throw invalidOptions(
    'PatchOptions',
    'force',
    'FieldValueForbidden',
    'Forbidden: may not be specified for non-apply patch',
  )
}

/** A patch may not make another kind of an object. */
function checkPatchedType(rr: ResourceRequest, patched: Patched, next: JsonObject): void {
  if (rr.info.custom) return
  const problem = typeProblem(rr, String(next['apiVersion'] ?? ''), String(next['kind'] ?? ''), rr.info)
  if (problem !== undefined) throw badPatch(patched, problem)
}

/** The patch as a function; a patch that cannot be applied becomes the Status that kube-apiserver gives. */
export function patcher(
  rr: Pick<ResourceRequest, 'info'>,
  type: string,
  body: unknown,
): (current: KubeObject) => unknown {
  return (current) =>
    patching(() => {
      if (type === 'application/json-patch+json') return jsonPatch(current, body)
      if (type === 'application/merge-patch+json') return mergePatch(current, body)
      return strategicMergePatch(current, body, rr.info.schema)
    })
}

function patching<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof PatchError)) throw error
    if (error.code === 422) {
      throw new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
    }
    // What does not fit the type is no error of the server, and has no reason (apimachinery answers a plain Go error so).
    throw new StatusError(error.code, error.code === 500 ? undefined : error.reason, error.message)
  }
}

/** Server-side apply (KEP-555). */
async function apply(rr: ResourceRequest, options: WriteOptions, body: any): Promise<ApiResponse> {
  checkManaged(options)
  const { apiVersion, kind } =
    rr.info.group === ''
      ? { apiVersion: rr.info.version, kind: rr.info.kind }
      : { apiVersion: `${rr.info.group}/${rr.info.version}`, kind: rr.info.kind }
  if (body['apiVersion'] !== apiVersion || body['kind'] !== kind) {
    const [version = '', group = ''] = (typeof body['apiVersion'] === 'string' ? body['apiVersion'] : '')
      .split('/')
      .reverse()
    throw badRequest(
      `invalid object type: ${group}/${version}, Kind=${typeof body['kind'] === 'string' ? body['kind'] : ''}`,
    )
  }
  checkIdentity(rr, body)
  if (body.metadata.managedFields !== undefined && body.metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil')
  }
  const merge = (live: KubeObject | undefined) => applied(rr, rr.info, live, clone(body), options)
  let created = false
  const missing = () => {
    if (body.metadata.uid) {
      throw conflict(
        rr.info,
        rr.name!,
        `uid mismatch: the provided object specified uid ${body.metadata.uid}, and no existing object was found`,
      )
    }
    created = true
    const object = merge(undefined)
    // Applying with a revision to what is not there creates it.
    delete object.metadata.resourceVersion
    return createObject(rr, object, options, { track: false })
  }
  const stored = await updateObject(
    rr,
    { ...options, applied: true, ...(!rr.subresource && { missing }) },
    (current) => {
      const merged = merge(current)
      if (body.metadata.resourceVersion) merged.metadata.resourceVersion = body.metadata.resourceVersion
      return merged
    },
  )
  return answer(rr, created ? 201 : 200, stored)
}

/** An apply's outcome as an object of `info`, defaults not filled in. Throws 409 with the conflicts. */
export function applied(
  rr: ResourceRequest,
  info: ResourceInfo,
  live: KubeObject | undefined,
  configuration: Record<string, any>,
  options: WriteOptions,
): KubeObject {
  const result = patching(() =>
    applyServerSide({
      info,
      ...(live && { live }),
      applied: configuration,
      manager: options.fieldManager,
      force: options.force,
      ...(rr.subresource && { subresource: rr.subresource }),
      now: rr.api.clock.now(),
    }),
  )
  if (!result.conflicts) return result.object as KubeObject
  const { message, causes } = conflictStatus(result.conflicts)
  throw new StatusError(409, 'Conflict', message, { causes })
}
