import { createHash, createPublicKey, sign, verify } from 'node:crypto'
import { isObject, type JsonObject } from '#lib'
import type { Pki } from '../pki/index.ts'
import type { Api, User } from './request.ts'

export const issuerUrl = 'https://kubernetes.default.svc.cluster.local'

/** Where a user's extra tells which credential was shown. */
export const credentialId = 'authentication.kubernetes.io/credential-id'

/** Kinds that a token may be bound to, by the name that its claims have for them. */
const bindable = { pod: 'core/pods', secret: 'core/secrets', node: 'core/nodes' } as const

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Names the key, so that it can be changed one day (RFC 7638 would do as well; kube-apiserver hashes the SPKI). */
export function keyId(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}

/** A signed token (ES256). */
export function signToken(pki: Pki, claims: object): string {
  const { privateKey, publicKey } = pki.serviceAccount
  const text = `${base64url({ alg: 'ES256', kid: keyId(publicKey) })}.${base64url(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

/** Whose token it is and for which of the accepted audiences, or why it proves nothing. */
export type Verified = { user: User; audiences: string[] } | { problem: string }

const invalid = { problem: 'invalid bearer token' }

/** Judges a ServiceAccount's token: its signature, its time, its audience, and that its account and what it is bound to are there. */
export function verifyToken(
  api: Pick<Api, 'pki' | 'store' | 'clock'>,
  token: string,
  accepted: readonly string[] = [issuerUrl],
): Verified {
  const claims = signedClaims(api.pki, token)
  if (!claims || claims['iss'] !== issuerUrl) return invalid
  const own: string[] = [claims['aud']].flat().map(String)
  const audiences = own.filter((audience) => accepted.includes(audience))
  if (audiences.length === 0) {
    const problem = `token audiences ${JSON.stringify(own)} is invalid for the target audiences ${JSON.stringify(accepted)}`
    return { problem: `[${invalid.problem}, ${problem}]` }
  }
  const bound = claims['kubernetes.io']
  if (!isObject(bound) || !isObject(bound['serviceaccount'])) return invalid
  const { namespace, serviceaccount } = bound
  const now = api.clock.now() / 1000
  const told = (problem: string): Verified => ({ problem: `[${invalid.problem}, ${problem}]` })
  if (claims['exp'] < now) return told('service account token has expired')
  if (claims['nbf'] > now + 60) return told('service account token is not valid yet')
  const account = api.store.get('core/serviceaccounts', `${namespace}/${serviceaccount['name']}`)
  if (!account) return told(`serviceaccounts ${JSON.stringify(serviceaccount['name'])} not found`)
  if (account.object.metadata.uid !== serviceaccount['uid']) {
    return told(`service account UID (${account.object.metadata.uid}) does not match claim (${serviceaccount['uid']})`)
  }
  for (const [kind, resource] of Object.entries(bindable)) {
    const ref = bound[kind]
    // The node of a pod is only told.
    if (!isObject(ref) || (kind === 'node' && bound['pod'])) continue
    const id = kind === 'node' ? String(ref['name']) : `${namespace}/${ref['name']}`
    if (api.store.get(resource, id)?.object.metadata.uid !== ref['uid'])
      return told('service account token has been invalidated')
  }
  return {
    user: {
      name: `system:serviceaccount:${namespace}:${serviceaccount['name']}`,
      uid: serviceaccount['uid'],
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      extra: extraOf(claims, bound),
    },
    audiences,
  }
}

function signedClaims(pki: Pki, token: string): JsonObject | undefined {
  const [header, payload, signature, ...rest] = token.split('.')
  if (!header || !payload || !signature || rest.length > 0) return undefined
  try {
    if (JSON.parse(Buffer.from(header, 'base64url').toString()).alg !== 'ES256') return undefined
    const key = { key: pki.serviceAccount.publicKey, dsaEncoding: 'ieee-p1363' as const }
    if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
      return undefined
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return isObject(claims) ? claims : undefined
  } catch {
    return undefined
  }
}

function extraOf(claims: JsonObject, bound: JsonObject): Record<string, string[]> {
  const extra: Record<string, string[]> = {}
  if (claims['jti']) extra[credentialId] = [`JTI=${claims['jti']}`]
  for (const kind of ['pod', 'node']) {
    const ref = bound[kind]
    if (!isObject(ref)) continue
    extra[`authentication.kubernetes.io/${kind}-name`] = [String(ref['name'])]
    if (ref['uid']) extra[`authentication.kubernetes.io/${kind}-uid`] = [String(ref['uid'])]
  }
  return extra
}
