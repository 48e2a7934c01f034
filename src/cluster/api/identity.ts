import type { KubeObject } from '#kube'
import { isObject, type JsonObject } from '#lib'
import { jsonType } from './body.ts'
import type { ResourceRequest } from './request.ts'
import { badRequest, invalid, type StatusError } from './status.ts'

/** Go's name of the type registry, which its messages carry. */
export const scheme = '"pkg/runtime/scheme.go:111"'

const text = (value: unknown) => (typeof value === 'string' ? value : '')

/** Refuses a body that is not what the URL names. */
export function checkIdentity(rr: ResourceRequest, object: JsonObject): asserts object is KubeObject {
  const { info } = rr
  const expected = info.group === '' ? info.version : `${info.group}/${info.version}`
  if (!info.custom) {
    object['apiVersion'] ||= expected
    object['kind'] ||= info.kind
    checkType(rr, text(object['apiVersion']), text(object['kind']), info)
  }
  if (object['apiVersion'] !== expected) {
    // A version that is not served has no schema: nothing of the object is known.
    const fields = Object.keys(object).filter((key) => !['apiVersion', 'kind', 'metadata'].includes(key))
    if (info.custom && text(object['apiVersion'])) rr.warnings.push(...fields.map((key) => `unknown field "${key}"`))
    throw badRequest(
      `the API version in the data (${text(object['apiVersion'])}) does not match the expected API version (${expected})`,
    )
  }
  if (object['kind'] !== info.kind) {
    const name = isObject(object['metadata']) ? text(object['metadata']['name']) : ''
    throw invalid({ group: info.group, kind: text(object['kind']) }, name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${JSON.stringify(object['kind'] ?? '')}: must be ${info.kind}`,
        field: 'kind',
      },
    ])
  }
  if (object['metadata'] === undefined || object['metadata'] === null) object['metadata'] = {}
  const { metadata } = object
  if (!isObject(metadata)) {
    const owner = info.custom ? '' : info.kind
    throw malformed(
      rr,
      `json: cannot unmarshal ${jsonType(metadata)} into Go struct field ${owner}.metadata of type v1.ObjectMeta`,
    )
  }
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

/** Refuses (400) a kind that is not the one that belongs here. */
export function checkType(
  rr: Pick<ResourceRequest, 'api'>,
  apiVersion: string,
  kind: string,
  expected: { group: string; version: string; kind: string },
): void {
  const problem = typeProblem(rr, apiVersion, kind, expected)
  if (problem === undefined) return
  const version = JSON.stringify(apiVersion.split('/').at(-1))
  throw badRequest(`${kind} in version ${version} cannot be handled as a ${expected.kind}: ${problem}`)
}

/** Why an object of this kind is none of the expected one, in the words of Go's type registry. */
export function typeProblem(
  rr: Pick<ResourceRequest, 'api'>,
  apiVersion: string,
  kind: string,
  expected: { group: string; version: string; kind: string },
): string | undefined {
  const [version, group = ''] = apiVersion.split('/').reverse()
  if (kind === expected.kind && group === expected.group && version === expected.version) return undefined
  const known = rr.api.registry
    .all()
    .some((info) => !info.custom && info.kind === kind && info.group === group && info.version === version)
  if (!known) {
    return `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme ${scheme}`
  }
  // Another version of the same kind is converted, and then found to be another one.
  if (kind === expected.kind && group === expected.group) return undefined
  return `converting (${version}.${kind}) to (${internalPackage(expected.group)}.${expected.kind}): unknown conversion`
}

/** The Go package of a group's internal types. */
function internalPackage(group: string): string {
  return group === '' || group === 'events.k8s.io' ? 'core' : group.split('.')[0]
}

export function malformed(rr: ResourceRequest, message: string): StatusError {
  const { kind, version } = rr.info
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${message}`)
}
