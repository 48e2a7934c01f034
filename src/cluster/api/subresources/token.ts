import { createHash, createPublicKey, randomUUID, sign, verify } from 'node:crypto'
import { isObject } from '#lib'
import type { Pki } from '../../pki/index.ts'
import { readObject } from '../body.ts'
import { negotiate, render } from '../negotiate.ts'
import { current } from '../read.ts'
import type { Api, ApiResponse, ResourceRequest, User } from '../request.ts'
import { invalid } from '../status.ts'

export const issuerUrl = 'https://kubernetes.default.svc.cluster.local'
const shortest = 600
const longest = 2 ** 32

/** POST of authentication.k8s.io/v1 TokenRequest: a JWT (ES256) for a ServiceAccount, optionally bound to a pod. */
export async function createToken(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const account = (await current(rr)).object
  const body = await readObject(rr.request, 'TokenRequest')
  const spec = isObject(body['spec']) ? body['spec'] : {}
  const seconds = spec['expirationSeconds'] ?? 3600
  if (!Number.isInteger(seconds) || seconds < shortest || seconds > longest) {
    const message = `Invalid value: ${JSON.stringify(seconds)}: may not specify a duration less than 10 minutes`
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      { reason: 'FieldValueInvalid', message, field: 'spec.expirationSeconds' },
    ])
  }
  const audiences: string[] =
    Array.isArray(spec['audiences']) && spec['audiences'].length > 0 ? spec['audiences'].map(String) : [issuerUrl]
  const iat = Math.floor(rr.api.clock.now() / 1000)
  const bound = isObject(spec['boundObjectRef']) ? spec['boundObjectRef'] : undefined
  const token = signToken(rr.api.pki, {
    aud: audiences,
    exp: iat + seconds,
    iat,
    iss: issuerUrl,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace: rr.namespace,
      ...(bound?.['kind'] === 'Pod' && { pod: { name: bound['name'], uid: bound['uid'] } }),
      serviceaccount: { name: rr.name, uid: account.metadata.uid },
    },
    nbf: iat,
    sub: `system:serviceaccount:${rr.namespace}:${rr.name}`,
  })
  return render(rr.request, format, 201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {
      name: rr.name,
      namespace: rr.namespace,
      creationTimestamp: new Date(iat * 1000).toISOString().replace('.000', ''),
    },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: bound ?? null },
    status: { token, expirationTimestamp: new Date((iat + seconds) * 1000).toISOString().replace('.000', '') },
  })
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Names the key, so that it can be changed one day (RFC 7638 would do as well; kube-apiserver hashes the SPKI). */
export function keyId(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}

function signToken(pki: Pki, claims: object): string {
  const { privateKey, publicKey } = pki.serviceAccount
  const text = `${base64url({ alg: 'ES256', kid: keyId(publicKey) })}.${base64url(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

/** The user of a ServiceAccount token; undefined when it is forged, expired, or its account (or pod) is gone. */
export function verifyToken(api: Pick<Api, 'pki' | 'store' | 'clock'>, token: string): User | undefined {
  const [header, payload, signature, ...rest] = token.split('.')
  if (!header || !payload || !signature || rest.length > 0) return undefined
  try {
    if (JSON.parse(Buffer.from(header, 'base64url').toString()).alg !== 'ES256') return undefined
    const key = { key: api.pki.serviceAccount.publicKey, dsaEncoding: 'ieee-p1363' as const }
    if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
      return undefined
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const now = api.clock.now() / 1000
    if (claims.iss !== issuerUrl || claims.exp < now || claims.nbf > now + 60 || !claims.aud.includes(issuerUrl))
      return undefined
    const { namespace, serviceaccount, pod } = claims['kubernetes.io']
    const account = api.store.get('core/serviceaccounts', `${namespace}/${serviceaccount.name}`)
    if (account?.object.metadata.uid !== serviceaccount.uid) return undefined
    if (pod && api.store.get('core/pods', `${namespace}/${pod.name}`)?.object.metadata.uid !== pod.uid) return undefined
    return {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    }
  } catch {
    return undefined
  }
}
