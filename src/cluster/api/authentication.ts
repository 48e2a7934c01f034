import { timingSafeEqual } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { credentialId, verifyToken } from './jwt.ts'
import type { Api, User } from './request.ts'
import { unauthorized } from './status.ts'

export const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

const certified = new WeakMap<object, User | null>()

/** The user of a connection's client certificate: CN and O; undefined without one. Throws 401 for one that our authority did not sign. */
export function certificateUser(socket: TLSSocket): User | undefined {
  let user = certified.get(socket)
  if (user === undefined) {
    const certificate = socket.getPeerCertificate()
    if (!certificate || Object.keys(certificate).length === 0) user = null
    else if (!socket.authorized) throw unauthorized()
    else {
      const { CN, O } = certificate.subject as unknown as { CN?: string; O?: string | string[] }
      const groups = O === undefined ? [] : Array.isArray(O) ? O : [O]
      const hash = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
      user = {
        name: String(CN ?? ''),
        groups: [...groups, 'system:authenticated'],
        extra: { [credentialId]: [`X509SHA256=${hash}`] },
      }
    }
    certified.set(socket, user)
  }
  return user ?? undefined
}

/** The user of an Authorization header; undefined without one. Throws 401 when it proves nothing. */
export function tokenUser(
  api: Pick<Api, 'pki' | 'store' | 'clock'>,
  header: string | undefined,
  adminToken: string | undefined,
): User | undefined {
  if (header === undefined) return undefined
  const token = /^Bearer\s+(\S+)$/i.exec(header)?.[1]
  if (token === undefined) return undefined
  if (adminToken !== undefined && sameSecret(token, adminToken)) {
    return { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }
  }
  const verified = verifyToken(api, token)
  if (!('user' in verified)) throw unauthorized()
  return verified.user
}

function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
