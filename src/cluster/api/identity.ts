import type { KubeObject } from '#kube'
import { isObject, type JsonObject } from '#lib'
import type { ResourceRequest } from './request.ts'
import { badRequest, invalid, type StatusError } from './status.ts'

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value ?? ''))

/** Refuses a body that is not what the URL names. */
export function checkIdentity(rr: ResourceRequest, object: JsonObject): asserts object is KubeObject {
  const { info } = rr
  const expected = info.group === '' ? info.version : `${info.group}/${info.version}`
  if (object['apiVersion'] === undefined && object['kind'] === undefined && !info.custom) {
    object['apiVersion'] = expected
    object['kind'] = info.kind
  }
  if (object['apiVersion'] !== expected) {
    throw badRequest(
      `the API version in the data (${shown(object['apiVersion'])}) does not match the expected API version (${expected})`,
    )
  }
  if (object['kind'] !== info.kind) {
    if (!info.custom) {
      throw badRequest(
        `${shown(object['kind'])} in version "${info.version}" cannot be handled as a ${info.kind}: converting (${expected}.${shown(object['kind'])}) to (${expected}.${info.kind}): unknown conversion`,
      )
    }
    const name = isObject(object['metadata']) ? shown(object['metadata']['name']) : ''
    throw invalid({ group: info.group, kind: shown(object['kind']) }, name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${JSON.stringify(object['kind'] ?? '')}: must be ${info.kind}`,
        field: 'kind',
      },
    ])
  }
  if (object['metadata'] === undefined || object['metadata'] === null) object['metadata'] = {}
  const { metadata } = object
  if (!isObject(metadata)) throw malformed(rr, 'metadata must be an object')
  for (const field of ['name', 'namespace', 'generateName', 'resourceVersion', 'uid']) {
    if (metadata[field] === null) delete metadata[field]
    if (metadata[field] !== undefined && typeof metadata[field] !== 'string') {
      throw malformed(
        rr,
        `json: cannot unmarshal ${typeof metadata[field]} into Go struct field ObjectMeta.metadata.${field} of type string`,
      )
    }
  }
  if (rr.namespace !== undefined) {
    if (metadata['namespace'] && metadata['namespace'] !== rr.namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    }
    metadata['namespace'] = rr.namespace
  } else delete metadata['namespace']
  if (rr.name !== undefined && metadata['name'] && metadata['name'] !== rr.name) {
    throw badRequest(`the name of the object (${metadata['name']}) does not match the name on the URL (${rr.name})`)
  }
  if (rr.name !== undefined) metadata['name'] = rr.name
}

export function malformed(rr: ResourceRequest, message: string): StatusError {
  const { kind, version } = rr.info
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${message}`)
}
