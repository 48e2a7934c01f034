import type { Attempt, Decision } from './rbac/index.ts'
import type { Api, User } from './request.ts'
import { StatusError } from './status.ts'

/** Groups that may do everything: system:masters as everywhere, and nodes, which are all this machine. */
const trusted = new Set(['system:masters', 'system:nodes'])

export function superuser(user: Pick<User, 'groups'>): boolean {
  return user.groups.some((group) => trusted.has(group))
}

/** Paths that anybody may GET. */
export function isPublic(path: string): boolean {
  return /^\/(healthz|livez|readyz)(\/|$)/.test(path) || path === '/version' || path === '/version/'
}

/** Whether a user may do something, and why. */
export async function decide(api: Pick<Api, 'rbac'>, user: User, attempt: Attempt): Promise<Decision> {
  if (superuser(user)) return { allowed: true, reason: '', problems: [] }
  return (api.rbac.current ?? (await api.rbac.load())).authorize(user, attempt)
}

export interface Target {
  group: string
  plural: string
  name?: string | undefined
  namespace?: string | undefined
  subresource?: string | undefined
}

/** Rejects with 403, worded as kube-apiserver's authorization filter. */
export async function authorizeResource(
  api: Pick<Api, 'rbac'>,
  user: User,
  verb: string,
  target: Target,
): Promise<void> {
  if (superuser(user)) return
  const { group, plural, name, subresource } = target
  // A namespace lies in itself, so that a RoleBinding in it may grant it.
  const namespace = group === '' && plural === 'namespaces' ? name : target.namespace
  const { allowed, reason } = await decide(api, user, { verb, group, resource: plural, subresource, name, namespace })
  if (allowed) return
  const resource = subresource ? `${plural}/${subresource}` : plural
  const what = group === '' ? plural : `${plural}.${group}`
  const named = name ? ` ${JSON.stringify(name)}` : ''
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope'
  const why = reason === '' ? '' : `: ${reason}`
  throw new StatusError(
    403,
    'Forbidden',
    `${what}${named} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}${why}`,
    { ...(name && { name }), ...(group && { group }), kind: plural },
  )
}

/** As authorizeResource, for a path that is no resource. */
export async function authorizePath(api: Pick<Api, 'rbac'>, user: User, verb: string, path: string): Promise<void> {
  if (superuser(user) || (isPublic(path) && (verb === 'get' || verb === 'head'))) return
  const { allowed, reason } = await decide(api, user, { verb: verb === 'head' ? 'get' : verb, path })
  if (allowed) return
  throw new StatusError(
    403,
    'Forbidden',
    `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${reason === '' ? '' : `: ${reason}`}`,
    {},
  )
}
