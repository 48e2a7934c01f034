import type { User } from '../request.ts'

/** Headers of one hop, and those that only we may set towards an extension server. */
const kept = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'authorization',
])

/** What of a message's headers goes on to the next server: no hop-by-hop headers, no credentials, no claims of identity. */
export function forwarded(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[]> {
  const result: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || name.startsWith(':') || kept.has(name)) continue
    if (name.startsWith('x-remote-') || name.startsWith('impersonate-')) continue
    result[name] = value
  }
  return result
}

/** A user as the front proxy's headers say it (authenticating proxy; transport.SetAuthProxyHeaders of client-go). */
export function identityHeaders({ name, uid, groups, extra = {} }: User): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': name }
  if (uid) headers['x-remote-uid'] = uid
  if (groups.length > 0) headers['x-remote-group'] = [...groups]
  for (const [key, values] of Object.entries(extra)) {
    if (values.length > 0) headers[`x-remote-extra-${encodeURIComponent(key).toLowerCase()}`] = values
  }
  return headers
}
