import { prepareCustom } from './crd/prepare.ts'
import { hooksOf } from './defaults/registry.ts'
import { shape } from './shape.ts'
import type { Prepared, ResourceInfo } from './types.ts'
import { validate } from './validate/index.ts'
import { validateMetadata } from './validate/metadata.ts'

/**
 * Makes an object that a client wants to create ready for the store: drops unknown fields and nulls, clears status (where it is
 * a subresource), fills in defaults and what the server sets, validates. Metadata that the server owns (uid, creationTimestamp,
 * generated name) should be set before: a Job's selector is made from its uid. Never throws for what a client sends.
 */
export function prepareCreate(info: ResourceInfo, object: Record<string, any>): Prepared {
  const { status: _, ...rest } = object
  // Nodes report themselves whole: the kubelet's first POST carries its status.
  const cleared = info.subresources.status && !(info.kind === 'Node' && info.group === '')
  return prepare(info, cleared ? rest : object, undefined)
}

/**
 * The same for a replacement of `old`, which is the stored object. The caller has put together what the endpoint may change
 * (spec from one, status from the other); immutable fields are checked here.
 */
export function prepareUpdate(info: ResourceInfo, object: Record<string, any>, old: Record<string, any>): Prepared {
  return prepare(info, object, old)
}

function prepare(info: ResourceInfo, input: Record<string, any>, old: Record<string, any> | undefined): Prepared {
  if (info.custom) return prepareCustom(info, input, old, (object) => validateMetadata(info, object, old))
  const { object, unknown, causes, malformed } = shape(info.schema, input)
  if (malformed !== undefined) return { object: input, unknown, causes, malformed }
  const hooks = hooksOf(info.group, info.kind)
  if (old) hooks.update?.(object, old)
  hooks.defaults?.(object)
  if (!old) hooks.create?.(object)
  return {
    object,
    unknown,
    causes: [...validateMetadata(info, object, old), ...causes, ...validate(info, object, old)],
  }
}
