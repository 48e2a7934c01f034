import { authorizeResource } from './authorization.ts'
import type { Api, ApiRequest, User } from './request.ts'
import { badRequest } from './status.ts'

/** True when the request wants to be somebody else's. */
export function impersonates(request: ApiRequest): boolean {
  for (const name in request.headers) if (name.startsWith('impersonate-')) return true
  return false
}

const list = (value: string | undefined) =>
  (value ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

/** Keys are percent-encoded, since header names can hold little. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/**
 * The user that the Impersonate- headers name, once the real one is found to have the verb `impersonate` on every part of it
 * (apiserver's impersonation filter). Rejects with 403, or 400 where no user is named, as there.
 */
export async function impersonated(api: Api, request: ApiRequest): Promise<User> {
  const { headers, user } = request
  const name = headers['impersonate-user'] ?? ''
  const groups = list(headers['impersonate-group'])
  const uid = headers['impersonate-uid'] ?? ''
  const extra: Record<string, string[]> = {}
  for (const header in headers) {
    if (!header.startsWith('impersonate-extra-')) continue
    Object.defineProperty(extra, unescaped(header.slice('impersonate-extra-'.length)), {
      value: list(headers[header]),
      enumerable: true,
    })
  }
  if (name === '') {
    const list = groups.map((one) => JSON.stringify(one)).join(', ')
    const more = Object.keys(extra).length > 0 ? `map[string][]string{…}` : 'map[string][]string(nil)'
    const asked = `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:[]string{${list}}, Extra:${more}}`
    throw badRequest(`requested ${asked} without impersonating a user name`)
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name)
  const demand = (group: string, plural: string, target: string, more: object = {}) =>
    authorizeResource(api, user, 'impersonate', { group, plural, name: target, ...more })
  if (account) await demand('', 'serviceaccounts', account[2], { namespace: account[1] })
  else await demand('', 'users', name)
  for (const one of groups) await demand('', 'groups', one)
  for (const key in extra)
    for (const value of extra[key]) await demand('authentication.k8s.io', 'userextras', value, { subresource: key })
  if (uid !== '') await demand('authentication.k8s.io', 'uids', uid)
  return { name, ...(uid && { uid }), groups: completed(name, groups, account?.[1]), extra }
}

/** The groups that everybody of a kind is in are added, as a real login would. */
function completed(name: string, asked: readonly string[], namespace: string | undefined): string[] {
  const groups =
    asked.length === 0 && namespace !== undefined
      ? ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
      : [...asked]
  if (name === 'system:anonymous') {
    return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated']
  }
  const known = groups.includes('system:authenticated') || groups.includes('system:unauthenticated')
  return known ? groups : [...groups, 'system:authenticated']
}
