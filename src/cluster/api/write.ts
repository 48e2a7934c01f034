import { randomUUID } from 'node:crypto'
import type { KubeObject } from '#kube'
import { clone, equal, type JsonObject, randomSuffix } from '#lib'
import {
  type Cause,
  type Prepared,
  prepareCreate,
  prepareUpdate,
  trackManagedFields,
  warningsOf,
  withEntries,
} from '../machinery/index.ts'
import { type Change, Stored, type Written } from '../store/index.ts'
import { admit } from './admission/index.ts'
import { fromStorage, toStorage } from './convert.ts'
import { checkIdentity, malformed } from './identity.ts'
import { reportUnknown, type WriteOptions } from './options.ts'
import { badPatch, type Patched } from './patched.ts'
import { podView, podViewCauses } from './pod-views.ts'
import { crdResource } from './registry.ts'
import { idOf, nowOf, type ResourceRequest } from './request.ts'
import { removeEndpoints } from './services.ts'
import { alreadyExists, conflict, invalid, modified, notFound, StatusError } from './status.ts'
import { hasGeneration, specChanged, strategyOf } from './strategy.ts'

/** Names that a generated suffix may collide with before the client is told. */
const generateAttempts = 8
const generatedBase = 58
const annotationsLimit = 262_144

/** Stores a new object; what it was given is the caller's no more. `track` false leaves managedFields as apply made them. */
export async function createObject(
  rr: ResourceRequest,
  object: KubeObject,
  options: WriteOptions,
  { track = true } = {},
): Promise<Stored> {
  const { metadata } = object
  if (metadata.resourceVersion)
    throw new StatusError(500, undefined, 'resourceVersion should not be set on objects to be created')
  const generated = !metadata.name && metadata.generateName ? metadata.generateName.slice(0, generatedBase) : undefined
  for (let attempt = 0; ; attempt++) {
    if (generated !== undefined) metadata.name = generated + randomSuffix()
    const id = idOf(rr.namespace, metadata.name ?? '')
    let preview: KubeObject | undefined
    try {
      const written = await rr.api.store.write(rr.resource, id, (current) => {
        // Whether it is any good is told before whether it is there.
        preview = newObject(rr, generated === undefined ? object : clone(object), options, track)
        if (current && metadata.name) {
          throw alreadyExists(rr.info, metadata.name, current.object.metadata.deletionTimestamp !== undefined)
        }
        return options.dryRun ? { keep: true } : { put: preview }
      })
      return options.dryRun ? ephemeral(rr, preview!) : written.stored!
    } catch (error) {
      const collided = error instanceof StatusError && error.reason === 'AlreadyExists'
      if (generated === undefined || !collided || attempt + 1 >= generateAttempts) throw error
    }
  }
}

/** The whole way of a new object up to the store. */
function newObject(rr: ResourceRequest, object: KubeObject, options: WriteOptions, track: boolean): KubeObject {
  const { metadata } = object
  metadata.uid = randomUUID()
  metadata.creationTimestamp = nowOf(rr.api)
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.selfLink
  if (hasGeneration(rr)) metadata.generation = 1
  if (track) delete metadata.managedFields
  const own = track && decided.has(rr.resource) ? owned(rr, object, options) : undefined
  if (metadata.name) admit(rr, { operation: 'CREATE', phase: 'mutate', object, old: undefined, options })
  const prepared = prepareCreate(rr.info, object)
  const ready = finish(rr, prepared, undefined, options, undefined)
  if (!track) return toStorage(rr.info, ready)
  if (own === undefined) return toStorage(rr.info, tracked(rr, undefined, ready, options))
  const { managedFields: _, ...rest } = ready.metadata
  const made = { ...ready, metadata: own.length > 0 ? { ...rest, managedFields: own } : rest } as KubeObject
  return rr.resource === crdResource ? established(rr, made) : made
}

/** A new definition whose names and conditions are the server's own, as if its controllers had come by already. */
function established(rr: ResourceRequest, definition: KubeObject): KubeObject {
  const { storedVersions } = definition['status'] ?? {}
  const before = {
    ...definition,
    status: { storedVersions, acceptedNames: { kind: '', plural: '' }, conditions: null },
  }
  return trackManagedFields({
    info: rr.info,
    before,
    after: definition,
    manager: 'kube-apiserver',
    subresource: 'status',
    now: rr.api.clock.now(),
  }) as KubeObject
}

/** Kinds of which the server sets fields that nobody asked for: whoever creates them does not own those. */
const decided = new Set([
  'core/pods',
  'core/services',
  'core/namespaces',
  'core/persistentvolumeclaims',
  'core/persistentvolumes',
  'batch/jobs',
  'apiextensions.k8s.io/customresourcedefinitions',
])

const addressing = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']

/** The managedFields of what a client sends and its defaults, before admission and the kind's own rules add to it. */
function owned(rr: ResourceRequest, object: KubeObject, options: WriteOptions): JsonObject[] {
  const { malformed, object: prepared } = prepareCreate(rr.info, clone(object))
  if (malformed !== undefined) return []
  // Some of it the defaults decide already, which are the same code here.
  const { metadata, spec } = prepared as KubeObject
  const unasked = (own: any, sent: any, fields: readonly string[]) => {
    for (const field of fields) if (own && sent?.[field] === undefined) delete own[field]
  }
  if (rr.resource === 'core/namespaces') unasked(spec, object.spec, ['finalizers'])
  if (rr.resource === 'core/services') unasked(spec, object.spec, addressing)
  if (rr.resource === 'batch/jobs') {
    unasked(spec, object.spec, ['selector'])
    unasked(metadata, object.metadata, ['labels'])
    unasked(spec?.template?.metadata, object.spec?.template?.metadata, ['labels'])
  }
  return tracked(rr, undefined, prepared as KubeObject, options).metadata.managedFields ?? []
}

/** What create and update share after machinery has shaped the object. */
function finish(
  rr: ResourceRequest,
  prepared: Prepared,
  old: KubeObject | undefined,
  options: WriteOptions,
  patched: Patched | undefined,
): KubeObject {
  if (prepared.malformed !== undefined) {
    throw patched ? badPatch(patched, prepared.malformed) : malformed(rr, prepared.malformed)
  }
  reportUnknown(rr, options, prepared.unknown, patched)
  const object = prepared.object as KubeObject
  const { finish: decide, check } = strategyOf(rr)
  const found = heeded(rr, prepared.causes, object, old)
  const broken = found.length > 0
  if (!broken) decide?.(rr, object, old)
  const causes = [...metadataCauses(object), ...found, ...(broken ? [] : (check?.(object, old, rr) ?? []))]
  // Events are one kind, of the core group, under whichever name they come.
  const accused = rr.resource === 'core/events' ? { group: '', kind: 'Event' } : rr.info
  if (causes.length > 0) throw invalid(accused, object.metadata.name ?? '', dedupe(causes))
  for (const text of rr.subresource ? [] : warningsOf(rr.info, object, old)) {
    if (!rr.warnings.includes(text)) rr.warnings.push(text)
  }
  admit(rr, { operation: old ? 'UPDATE' : 'CREATE', phase: 'validate', object, old, options })
  const { apiVersion, kind, metadata, ...rest } = object
  return { apiVersion, kind, metadata, ...rest }
}

/** The problems that a write through this endpoint can be blamed for. */
function heeded(
  rr: ResourceRequest,
  causes: readonly Cause[],
  object: KubeObject,
  old: KubeObject | undefined,
): readonly Cause[] {
  if (old && rr.resource === 'core/pods') causes = podViewCauses(rr.subresource, object, old, causes)
  if (rr.subresource !== 'status' || rr.info.custom) return causes
  return causes.filter(({ field }) => field.startsWith('status') || field.startsWith('metadata'))
}

function dedupe<T extends { field?: string; message?: string }>(causes: readonly T[]): T[] {
  const seen = new Set<string>()
  return causes.filter((cause) => {
    const key = `${cause.field}\0${cause.message}`
    return !seen.has(key) && seen.add(key)
  })
}

function metadataCauses(object: KubeObject) {
  const { metadata } = object
  if (!metadata.name && !metadata.generateName) {
    return [
      {
        reason: 'FieldValueRequired',
        message: 'Required value: name or generateName is required',
        field: 'metadata.name',
      },
    ]
  }
  let size = 0
  for (const key in metadata.annotations)
    size += Buffer.byteLength(key) + Buffer.byteLength(String(metadata.annotations[key]))
  if (size <= annotationsLimit) return []
  const message = `Too long: may not be more than ${annotationsLimit} bytes`
  return [{ reason: 'FieldValueTooLong', message, field: 'metadata.annotations' }]
}

function tracked(
  rr: ResourceRequest,
  before: KubeObject | undefined,
  after: KubeObject,
  options: WriteOptions,
  sent: KubeObject = after,
): KubeObject {
  const { metadata } = trackManagedFields({
    info: rr.info,
    before,
    after: sent,
    manager: options.manager,
    operation: 'Update',
    ...(rr.subresource && { subresource: rr.subresource }),
    now: rr.api.clock.now(),
  })
  return withEntries(after, metadata.managedFields ?? []) as KubeObject
}

/** An object that was only tried, for the answer to a dry run. */
export function ephemeral(rr: ResourceRequest, object: KubeObject): Stored {
  return new Stored(
    rr.resource,
    idOf(rr.namespace, object.metadata.name!),
    0,
    Buffer.from(JSON.stringify(object)),
    object,
  )
}

/** Makes the new state of an object from the newest one, both in the version of the request; may throw a StatusError. It must not change what it is given. */
export type Modify = (current: KubeObject) => KubeObject

export interface UpdateOptions extends WriteOptions {
  /** The object comes from a patch: nonsense is 422 instead of 400. */
  patched?: Patched
  /** managedFields are already what they should be (server-side apply). */
  applied?: boolean
  /** Called when there is no such object; without it that is 404. */
  missing?: () => Promise<Stored>
}

/** Changes an object: `modify` sees the newest state, in the turn of the write, so that nothing can come between. */
export async function updateObject(rr: ResourceRequest, options: UpdateOptions, modify: Modify): Promise<Stored> {
  const name = rr.name!
  const id = idOf(rr.namespace, name)
  if (options.missing && !rr.api.store.peek(rr.resource, id)) return options.missing()
  let preview: KubeObject | undefined
  const written: Written = await rr.api.store.write(rr.resource, id, (current) => {
    if (!current) throw notFound(rr.info, name)
    const changed = updated(rr, options, fromStorage(rr.info, current.object), modify)
    if (!changed) return { keep: true }
    const next = toStorage(rr.info, changed, current.object)
    preview = next
    if (options.dryRun) return { keep: true }
    return finished(next) ? { delete: true } : ({ put: next } satisfies Change)
  })
  if (options.dryRun && preview) return ephemeral(rr, preview)
  if (written.type === 'deleted') {
    await removeEndpoints(rr, name)
    return ephemeral(rr, {
      ...preview!,
      metadata: { ...preview!.metadata, resourceVersion: written.stored!.object.metadata.resourceVersion },
    })
  }
  return written.stored!
}

/** Nothing holds a deleted object any more. */
export function finished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  if (!deletionTimestamp || (finalizers?.length ?? 0) > 0) return false
  if (object.kind === 'Namespace' && object.apiVersion === 'v1') return (object.spec?.finalizers?.length ?? 0) === 0
  return !deletionGracePeriodSeconds
}

/** The next state of `old`, or undefined when nothing changes. */
function updated(rr: ResourceRequest, options: UpdateOptions, old: KubeObject, modify: Modify): KubeObject | undefined {
  const { info, subresource } = rr
  const next = modify(old)
  checkIdentity(rr, next)
  const { metadata } = next
  const version = metadata.resourceVersion
  if (version && !/^\d+$/.test(version)) {
    const problem = `strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`
    throw new StatusError(500, undefined, problem)
  }
  if (version && version !== '0' && version !== old.metadata.resourceVersion) throw modified(info, rr.name!)
  if (metadata.uid && metadata.uid !== old.metadata.uid) {
    if (options.patched || options.applied) {
      const message = `Invalid value: ${JSON.stringify(metadata.uid)}: field is immutable`
      const cause = { reason: 'FieldValueInvalid', message, field: 'metadata.uid' }
      throw invalid(info, rr.name!, twice(cause))
    }
    const problem = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`
    const error = `invalid object, Code: 4, Key: ${storageKey(rr)}, ResourceVersion: 0, AdditionalErrorMsg: ${problem}`
    throw conflict(info, rr.name!, `StorageError: ${error}`)
  }
  const merged = endpointView(rr, next, old)
  if (old.metadata.deletionTimestamp) checkFinalizers(rr, merged, old)
  admit(rr, { operation: 'UPDATE', phase: 'mutate', object: merged, old, options })
  const ready = finish(rr, prepareUpdate(info, merged, old), old, options, options.patched)
  if (hasGeneration(rr)) {
    const bumped = subresource !== 'status' && specChanged(old, ready)
    ready.metadata.generation = (old.metadata.generation ?? 1) + (bumped ? 1 : 0)
  } else if (old.metadata.generation === undefined) delete ready.metadata.generation
  // Whoever changes a pod through a view of it owns all that they sent, also what the view leaves alone.
  const viewed = rr.resource === 'core/pods' && subresource !== undefined && subresource !== 'status'
  const sent = viewed ? (prepareUpdate(info, next, old).object as KubeObject) : ready
  const result = options.applied ? ready : tracked(rr, old, ready, options, sent)
  return same(old, result) ? undefined : result
}

/** What the endpoint may change comes from the request, everything else from the store. */
function endpointView(rr: ResourceRequest, next: KubeObject, old: KubeObject): KubeObject {
  const { info, subresource } = rr
  const fixed = {
    name: old.metadata.name,
    ...(old.metadata.namespace !== undefined && { namespace: old.metadata.namespace }),
    ...(old.metadata.generateName !== undefined && { generateName: old.metadata.generateName }),
    uid: old.metadata.uid,
    creationTimestamp: old.metadata.creationTimestamp,
    resourceVersion: old.metadata.resourceVersion,
    ...(old.metadata.generation !== undefined && { generation: old.metadata.generation }),
    ...(old.metadata.deletionTimestamp && {
      deletionTimestamp: old.metadata.deletionTimestamp,
      deletionGracePeriodSeconds: old.metadata.deletionGracePeriodSeconds,
    }),
  }
  const strip = ({
    deletionTimestamp: _,
    deletionGracePeriodSeconds: __,
    selfLink: ___,
    generation: ____,
    ...rest
  }: JsonObject) => rest
  if (subresource === 'status') {
    // Status writers own the status; of metadata they may change the same fields as elsewhere, but custom resources nothing.
    const metadata = info.custom
      ? { ...old.metadata, managedFields: next.metadata.managedFields ?? old.metadata.managedFields }
      : { ...strip(next.metadata), ...fixed }
    return { ...old, metadata, status: next.status } as KubeObject
  }
  const shown = rr.resource === 'core/pods' ? podView(subresource, next, old) : next
  const view = { ...shown, metadata: { ...strip(shown.metadata), ...fixed } } as KubeObject
  if (info.subresources.status) {
    if (old.status === undefined) delete view.status
    else view.status = old.status
  }
  if (next.metadata.managedFields === undefined) view.metadata.managedFields = old.metadata.managedFields
  return view
}

function checkFinalizers(rr: ResourceRequest, next: KubeObject, old: KubeObject): void {
  const known = new Set<string>(old.metadata.finalizers ?? [])
  const added = ((next.metadata.finalizers ?? []) as string[]).filter((name) => !known.has(name))
  if (added.length === 0) return
  const list = added.map((name) => JSON.stringify(name)).join(', ')
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`
  throw invalid(rr.info, rr.name!, twice({ reason: 'FieldValueForbidden', message, field: 'metadata.finalizers' }))
}

/** Metadata is judged once for every kind and once more by the kind itself: both tell. */
function twice<T>(cause: T): T[] {
  return [cause, cause]
}

const oddKeys: Record<string, string> = {
  'core/services': 'services/specs',
  'core/endpoints': 'services/endpoints',
  'core/nodes': 'minions',
  'networking.k8s.io/ingresses': 'ingress',
}

/** The key that the object would have in etcd, which errors of storage name. */
function storageKey({ info, resource, namespace, name }: ResourceRequest): string {
  const place = oddKeys[resource] ?? (info.custom ? `${info.group}/${info.plural}` : info.plural)
  return `/registry/${place}/${idOf(namespace, name!)}`
}

/** True when a write would change nothing but the time at which a manager last wrote. */
function same(before: KubeObject, after: KubeObject): boolean {
  const timeless = (object: KubeObject) => ({
    ...object,
    metadata: {
      ...object.metadata,
      resourceVersion: '',
      managedFields: (object.metadata.managedFields ?? []).map(({ time: _, ...entry }: JsonObject) => entry),
    },
  })
  return equal(timeless(before), timeless(after))
}
