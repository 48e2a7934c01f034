import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { isAlreadyExists, type Kube, Secret } from '#kube'
import { systemNamespace } from './context.ts'

const secretName = 'platform-token'

/** The token for pushes and uploads; made on first use. */
export async function platformToken(kube: Kube): Promise<string> {
  const found = await kube.find(Secret, secretName, systemNamespace)
  if (found?.data?.token) return Buffer.from(found.data.token, 'base64').toString('utf8')
  const token = randomBytes(24).toString('base64url')
  try {
    await kube.create(Secret, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName, namespace: systemNamespace },
      type: 'Opaque',
      data: { token: Buffer.from(token).toString('base64') },
    })
    return token
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    return platformToken(kube)
  }
}

/** Compares secrets in constant time, whatever their lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** `user` and `password` of a Basic or Bearer Authorization header (RFC 7617, RFC 6750). */
export function credentials(header: string | undefined): { user: string; password: string } | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(header ?? '')
  if (bearer) return { user: 'token', password: bearer[1] }
  const basic = /^Basic\s+(\S+)$/i.exec(header ?? '')
  if (!basic) return undefined
  const text = Buffer.from(basic[1], 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
