import { randomUUID } from 'node:crypto'
import { isObject, type JsonObject } from '#lib'
import { readObject } from '../body.ts'
import { issuerUrl, signToken } from '../jwt.ts'
import { negotiate, render } from '../negotiate.ts'
import { current } from '../read.ts'
import { type ApiResponse, idOf, type ResourceRequest } from '../request.ts'
import { badRequest, conflict, invalid, notFound } from '../status.ts'

const shortest = 600
const longest = 2 ** 32
const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest', plural: 'TokenRequest' }

/** POST of authentication.k8s.io/v1 TokenRequest: a JWT for a ServiceAccount, bound to a pod, a Secret or a node if that is asked for. */
export async function createToken(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const body = await readObject(rr.request, 'TokenRequest')
  const metadata = isObject(body['metadata']) ? body['metadata'] : {}
  const spec = isObject(body['spec']) ? body['spec'] : {}
  if (metadata['namespace'] && metadata['namespace'] !== rr.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (metadata['name'] && metadata['name'] !== rr.name) {
    throw refused(rr.name!, 'metadata.name', metadata['name'], 'must match the service account name if specified')
  }
  const account = (await current(rr)).object
  const { uid } = account.metadata
  if (metadata['uid'] && metadata['uid'] !== uid) {
    const problem = `the UID in the token request (${metadata['uid']}) does not match the UID of the service account (${uid})`
    throw conflict(kind, rr.name!, problem)
  }
  const seconds = spec['expirationSeconds'] ?? 3600
  if (!Number.isInteger(seconds) || seconds < shortest) {
    throw refused('', 'spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes')
  }
  if (seconds > longest) {
    throw refused('', 'spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds')
  }
  const audiences: string[] =
    Array.isArray(spec['audiences']) && spec['audiences'].length > 0 ? spec['audiences'].map(String) : [issuerUrl]
  const iat = Math.floor(rr.api.clock.now() / 1000)
  const ref = isObject(spec['boundObjectRef']) ? spec['boundObjectRef'] : undefined
  const token = signToken(rr.api.pki, {
    aud: audiences,
    exp: iat + seconds,
    iat,
    iss: issuerUrl,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace: rr.namespace,
      ...(ref && boundTo(rr, ref)),
      serviceaccount: { name: rr.name, uid },
    },
    nbf: iat,
    sub: `system:serviceaccount:${rr.namespace}:${rr.name}`,
  })
  const at = (time: number) => new Date(time * 1000).toISOString().replace('.000', '')
  return render(rr.request, format, 201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: rr.name, namespace: rr.namespace, uid, creationTimestamp: at(iat) },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: ref ?? null },
    status: { token, expirationTimestamp: at(iat + seconds) },
  })
}

function refused(name: string, field: string, value: unknown, problem: string) {
  const message = `Invalid value: ${JSON.stringify(value)}: ${problem}`
  return invalid(kind, name, [{ reason: 'FieldValueInvalid', message, field }])
}

const resources: Record<string, string> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' }

/** The claims that bind a token to the object it was asked for with. */
function boundTo(rr: ResourceRequest, ref: JsonObject): JsonObject {
  const plural = ref['apiVersion'] === 'v1' ? resources[String(ref['kind'])] : undefined
  if (!plural) {
    const [version = '', group = ''] = String(ref['apiVersion'] ?? '')
      .split('/')
      .reverse()
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${ref['kind'] ?? ''}`)
  }
  const name = String(ref['name'] ?? '')
  const { store } = rr.api
  const object = store.get(`core/${plural}`, plural === 'nodes' ? name : idOf(rr.namespace, name))?.object
  if (!object) throw notFound({ group: '', plural }, name)
  if (plural === 'pods' && object['spec'].serviceAccountName !== rr.name) {
    const why = 'to pod running with different serviceaccount name.'
    throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(rr.name)} ${why}`)
  }
  const { uid } = object.metadata
  if (ref['uid'] && ref['uid'] !== uid) {
    const problem = `the UID in the bound object reference (${ref['uid']}) does not match the UID in record. The object might have been deleted and then recreated`
    throw conflict({ group: '', plural: String(ref['kind']) }, name, problem)
  }
  const claim = { [String(ref['kind']).toLowerCase()]: { name, uid } }
  const nodeName = plural === 'pods' ? object['spec'].nodeName : undefined
  if (!nodeName) return claim
  const node = store.get('core/nodes', nodeName)?.object.metadata.uid
  return { ...claim, node: { name: nodeName, ...(node && { uid: node }) } }
}
