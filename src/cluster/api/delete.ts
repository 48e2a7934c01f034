import type { KubeObject } from '#kube'
import { isObject, type JsonObject } from '#lib'
import type { Stored } from '../store/index.ts'
import { readOptional } from './body.ts'
import { scheme } from './identity.ts'
import { negotiate, render, renderObject } from './negotiate.ts'
import { dryRun } from './options.ts'
import { checkListOptions, select, unnamed } from './read.ts'
import { crdFinalizer, crdResource } from './registry.ts'
import { type ApiResponse, idOf, nowOf, type ResourceRequest } from './request.ts'
import { removeEndpoints } from './services.ts'
import { badRequest, conflict, invalidOptions, notFound } from './status.ts'
import { ephemeral } from './write.ts'

export interface DeleteOptions {
  dryRun: boolean
  gracePeriodSeconds: number | undefined
  propagationPolicy: string | undefined
  preconditions: { uid?: string; resourceVersion?: string }
}

/** Kinds whose DELETE answers with the object instead of a Status. */
const returnsObject = new Set([
  'core/pods',
  'core/namespaces',
  'core/services',
  'core/serviceaccounts',
  'core/persistentvolumes',
  'core/persistentvolumeclaims',
  'core/podtemplates',
  'core/resourcequotas',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/volumeattachments',
])

/** Kinds whose dependents are left alone unless the request says otherwise, as they always were. */
const orphansByDefault = new Set(['batch/jobs', 'core/replicationcontrollers'])

/** DELETE of one object. */
export async function remove(rr: ResourceRequest): Promise<ApiResponse> {
  negotiate(rr.request)
  const options = await readDeleteOptions(rr)
  const { gone, stored } = await deleteObject(rr, rr.name!, options)
  if (!gone || returnsObject.has(rr.resource)) {
    return renderObject(rr.request, rr.info, 200, stored, rr.api.clock.now())
  }
  const { info } = rr
  const details = {
    name: rr.name,
    ...(info.group && { group: info.group }),
    kind: info.plural,
    uid: stored.object.metadata.uid,
  }
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
  return render(rr.request, { as: 'object', version: '', yaml: false }, 200, status)
}

/** DELETE of a collection: everything that the selectors select, answered with the list of it. */
export async function removeCollection(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const options = await readDeleteOptions(rr)
  checkListOptions(rr.request.query, false)
  const unpaged = new URLSearchParams(rr.request.query)
  unpaged.delete('limit')
  const { items, revision } = await select({ ...rr, request: { ...rr.request, query: unpaged } })
  const deleted = await Promise.all(
    items.map(async (item) => {
      const name = item.object.metadata.name!
      const target = { ...rr, namespace: item.namespace, name }
      try {
        return (await deleteObject(target, name, options)).stored.object
      } catch (error) {
        if ((error as { code?: number }).code === 404) return item.object
        throw error
      }
    }),
  )
  const { info } = rr
  const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`
  const metadata = { resourceVersion: String(revision) }
  return render(rr.request, { ...format, as: 'object' }, 200, {
    kind: info.listKind,
    apiVersion,
    metadata,
    items: deleted.map((object) => unnamed(info, object)),
  })
}

/** Marks an object for deletion, or removes it when nothing holds it. */
export async function deleteObject(
  rr: ResourceRequest,
  name: string,
  options: DeleteOptions,
): Promise<{ gone: boolean; stored: Stored }> {
  let preview: KubeObject | undefined
  let gone = false
  const written = await rr.api.store.write(rr.resource, idOf(rr.namespace, name), (current) => {
    if (!current) throw notFound(rr.info, name)
    checkPreconditions(rr, name, current.object, options)
    const next = marked(rr, current.object, options)
    gone = next === undefined
    preview = next ?? (rr.resource === 'core/pods' ? ended(rr, current.object) : current.object)
    if (options.dryRun || next === current.object) return { keep: true }
    return next ? { put: next } : { delete: true }
  })
  if (options.dryRun) return { gone, stored: ephemeral(rr, preview!) }
  if (gone) await removeEndpoints(rr, name)
  if (!gone || rr.resource !== 'core/pods') return { gone, stored: written.stored! }
  const { resourceVersion } = written.stored!.object.metadata
  return { gone, stored: ephemeral(rr, { ...preview!, metadata: { ...preview!.metadata, resourceVersion } }) }
}

/** A pod that goes at once, as its last state is answered. */
function ended(rr: ResourceRequest, pod: KubeObject): KubeObject {
  const deletionTimestamp = pod.metadata.deletionTimestamp ?? nowOf(rr.api)
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: 0 } }
}

function checkPreconditions(rr: ResourceRequest, name: string, object: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions
  const kind = { group: rr.info.group, plural: rr.info.kind }
  if (uid !== undefined && uid !== object.metadata.uid) {
    throw conflict(
      kind,
      name,
      `the UID in the precondition (${uid}) does not match the UID in record (${object.metadata.uid}). The object might have been deleted and then recreated`,
    )
  }
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) {
    throw conflict(
      kind,
      name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${object.metadata.resourceVersion}). The object might have been modified`,
    )
  }
}

/** The object while it waits for its end; undefined when it can go now; the very same when it already waits. */
function marked(rr: ResourceRequest, object: KubeObject, options: DeleteOptions): KubeObject | undefined {
  const { metadata } = object
  const own = metadata.finalizers ?? []
  const held = rr.resource === crdResource && !metadata.deletionTimestamp ? [...new Set([...own, crdFinalizer])] : own
  const finalizers = withPropagation(rr, held, options.propagationPolicy)
  const grace = graceOf(rr, object, options)
  const holds =
    finalizers.length > 0 || grace > 0 || (rr.resource === 'core/namespaces' && object.spec?.finalizers?.length > 0)
  if (!holds) return undefined
  const changedFinalizers = finalizers.join() !== (metadata.finalizers ?? []).join()
  if (metadata.deletionTimestamp) {
    // A second request may only shorten the grace.
    const shorter = grace < (metadata.deletionGracePeriodSeconds ?? 0)
    if (!shorter && !changedFinalizers) return object
  }
  const shortened = !metadata.deletionTimestamp || grace < (metadata.deletionGracePeriodSeconds ?? 0)
  const next: KubeObject = {
    ...object,
    metadata: {
      ...metadata,
      ...(finalizers.length > 0 ? { finalizers } : {}),
      ...(shortened && {
        deletionTimestamp: new Date(rr.api.clock.now() + grace * 1000).toISOString().replace(/\.\d{3}Z$/, 'Z'),
        deletionGracePeriodSeconds: grace,
      }),
      ...(metadata.generation !== undefined && !metadata.deletionTimestamp && { generation: metadata.generation + 1 }),
    },
  }
  if (finalizers.length === 0) delete next.metadata.finalizers
  if (rr.resource === crdResource && !metadata.deletionTimestamp) next.status = terminating(rr, object)
  if (rr.resource === 'core/namespaces') {
    delete next.metadata.deletionGracePeriodSeconds
    next.metadata.deletionTimestamp = metadata.deletionTimestamp ?? nowOf(rr.api)
    next.status = { ...object.status, phase: 'Terminating' }
  }
  return next
}

/** The status of a definition whose objects are being deleted. */
function terminating(rr: ResourceRequest, { status }: KubeObject) {
  const others = (status?.conditions ?? []).filter((one: any) => one.type !== 'Terminating')
  const condition = {
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: nowOf(rr.api),
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  }
  return { ...status, conditions: [...others, condition] }
}

/** Only pods linger: for their own grace unless told, and not at all when nothing of them runs. */
function graceOf(rr: ResourceRequest, object: KubeObject, options: DeleteOptions): number {
  if (rr.resource !== 'core/pods') return 0
  const phase = object.status?.phase
  if (!object.spec?.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0
  const asked = options.gracePeriodSeconds ?? object.spec.terminationGracePeriodSeconds ?? 30
  return Math.max(0, asked)
}

function withPropagation(rr: ResourceRequest, finalizers: readonly string[], policy: string | undefined): string[] {
  const wanted = policy ?? (orphansByDefault.has(rr.resource) ? 'Orphan' : undefined)
  if (wanted === undefined) return [...finalizers]
  const others = finalizers.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion')
  if (wanted === 'Orphan') return [...others, 'orphan']
  if (wanted === 'Foreground') return [...others, 'foregroundDeletion']
  return others
}

/** DeleteOptions from the body and, where it is silent, the query. */
export async function readDeleteOptions(rr: ResourceRequest): Promise<DeleteOptions> {
  const body = (await readOptional(rr.request)) ?? {}
  const { kind } = body
  if (kind !== undefined && kind !== 'DeleteOptions') {
    throw badRequest(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(body['apiVersion'])} in scheme ${scheme}`,
    )
  }
  return parseDeleteOptions(body, rr.request.query)
}

export function parseDeleteOptions(body: JsonObject, query: URLSearchParams): DeleteOptions {
  const policy = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? undefined
  const orphan = body['orphanDependents'] ?? query.get('orphanDependents') ?? undefined
  if (policy !== undefined && orphan !== undefined) {
    throw invalidOptions(
      'DeleteOptions',
      'propagationPolicy',
      'FieldValueInvalid',
      `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
    )
  }
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw invalidOptions(
      'DeleteOptions',
      'propagationPolicy',
      'FieldValueNotSupported',
      `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
    )
  }
  const graceText = body['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds') ?? undefined
  const grace = graceText === undefined ? undefined : Number(graceText)
  if (grace !== undefined && !Number.isSafeInteger(grace)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(String(graceText))}: invalid syntax`)
  }
  const values = Array.isArray(body['dryRun']) ? body['dryRun'].map(String) : query.getAll('dryRun')
  const preconditions = isObject(body['preconditions']) ? body['preconditions'] : {}
  return {
    dryRun: dryRun(values, 'DeleteOptions'),
    gracePeriodSeconds: grace,
    propagationPolicy:
      policy ?? (orphan === undefined ? undefined : orphan === true || orphan === 'true' ? 'Orphan' : 'Background'),
    preconditions: {
      ...(typeof preconditions['uid'] === 'string' && { uid: preconditions['uid'] }),
      ...(typeof preconditions['resourceVersion'] === 'string' && {
        resourceVersion: preconditions['resourceVersion'],
      }),
    },
  }
}
