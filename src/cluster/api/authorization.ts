import type { User } from './request.ts'
import { StatusError } from './status.ts'

/** Who may do everything: administrators, and for as long as there is no RBAC, nodes. */
const trusted = new Set(['system:masters', 'system:nodes'])

export function allowed(user: Pick<User, 'name' | 'groups'>): boolean {
  return user.groups.some((group) => trusted.has(group))
}

/** Paths that anybody may GET. */
export function isPublic(path: string): boolean {
  return /^\/(healthz|livez|readyz)(\/|$)/.test(path) || path === '/version' || path === '/version/'
}

/** Throws 403, worded as kube-apiserver's authorization filter. */
export function authorizeResource(
  user: User,
  verb: string,
  target: { group: string; plural: string; name?: string; namespace?: string; subresource?: string },
): void {
  if (allowed(user)) return
  const resource = target.subresource ? `${target.plural}/${target.subresource}` : target.plural
  const what = target.group === '' ? target.plural : `${target.plural}.${target.group}`
  const named = target.name ? ` ${JSON.stringify(target.name)}` : ''
  const where = target.namespace ? `in the namespace ${JSON.stringify(target.namespace)}` : 'at the cluster scope'
  throw new StatusError(
    403,
    'Forbidden',
    `${what}${named} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(target.group)} ${where}`,
    { ...(target.name && { name: target.name }), ...(target.group && { group: target.group }), kind: target.plural },
  )
}

export function authorizePath(user: User, verb: string, path: string): void {
  if (allowed(user) || isPublic(path)) return
  throw new StatusError(
    403,
    'Forbidden',
    `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`,
    {},
  )
}
