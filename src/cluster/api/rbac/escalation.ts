import { equal, isObject } from '#lib'
import type { Attributes } from '../admission/plugin.ts'
import type { ResourceRequest } from '../request.ts'
import { forbidden, notFound } from '../status.ts'
import type { Authorizer } from './authorizer.ts'
import { compact, describeRule, type PolicyRule, rulesOf, uncovered } from './rules.ts'

const group = 'rbac.authorization.k8s.io'

/**
 * Nobody grants what they do not have: a role needs all of its rules or the verb `escalate`, a binding all the rules of its
 * role or the verb `bind`. Throws 403.
 */
export function checkEscalation(authorizer: Authorizer, rr: ResourceRequest, { object, old }: Attributes): void {
  const { plural } = rr.info
  if (plural === 'roles' || plural === 'clusterroles') {
    if (old && equal(object['rules'], old['rules']) && equal(object['aggregationRule'], old['aggregationRule'])) return
    if (may(authorizer, rr, 'escalate', plural, object.metadata.name)) return
    if (object['aggregationRule'] && !equal(object['aggregationRule'], old?.['aggregationRule'])) {
      const everything = [
        { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
        { nonResourceURLs: ['*'], verbs: ['*'] },
      ]
      demand(authorizer, rr, object.metadata.name!, everything)
    }
    demand(authorizer, rr, object.metadata.name!, rulesOf(object))
    return
  }
  if (plural !== 'rolebindings' && plural !== 'clusterrolebindings') return
  const ref = object['roleRef']
  if (!isObject(ref) || (old && equal(ref, old['roleRef']) && equal(object['subjects'], old['subjects']))) return
  const kind = ref['kind'] === 'Role' ? 'roles' : 'clusterroles'
  if (may(authorizer, rr, 'bind', kind, ref['name'])) return
  const rules = authorizer.role(ref['kind'], ref['name'], rr.namespace)
  // As kube-apiserver tells it: the missing role by the name of what was to bind it.
  if (!rules) throw notFound(rr.info, String(ref['name'] ?? ''))
  demand(authorizer, rr, object.metadata.name!, rules)
}

function may(authorizer: Authorizer, rr: ResourceRequest, verb: string, resource: string, name: string | undefined) {
  return authorizer.authorize(rr.request.user, { verb, group, resource, name, namespace: rr.namespace }).allowed
}

function demand(authorizer: Authorizer, rr: ResourceRequest, name: string, wanted: readonly PolicyRule[]): void {
  const { user } = rr.request
  const missing = compact(uncovered(wanted, authorizer.rules(user, rr.namespace)))
  if (missing.length === 0) return
  const groups = user.groups.map((one) => JSON.stringify(one)).join(' ')
  const list = missing.map(describeRule).sort().join('\n')
  throw forbidden(
    rr.info,
    name,
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`,
  )
}
