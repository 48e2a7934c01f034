import { isObject } from '#lib'
import { trackManagedFields } from '../machinery/index.ts'
import { decide, superuser } from './authorization.ts'
import { readObject } from './body.ts'
import { issuerUrl, verifyToken } from './jwt.ts'
import { negotiate, render } from './negotiate.ts'
import { writeOptions } from './options.ts'
import type { Attempt, Decision, PolicyRule } from './rbac/index.ts'
import { type ApiResponse, nowOf, type ResourceRequest, type User } from './request.ts'
import { badRequest, invalid } from './status.ts'

/** Reviews without a question: the answer has its time instead of an owner. */
const dated = new Set(['SelfSubjectReview'])

const text = (value: unknown) => (typeof value === 'string' ? value : '')

type Answer = { spec?: unknown; status: unknown }

/** Kinds that are asked, not stored: the answer is the object with its status filled in. */
const kinds: Record<string, (rr: ResourceRequest, spec: any) => Answer | Promise<Answer>> = {
  SelfSubjectAccessReview: async (rr, spec) => ({
    status: accessStatus(await decide(rr.api, rr.request.user, attemptOf(rr, spec))),
  }),
  SubjectAccessReview: async (rr, spec) => ({
    status: accessStatus(await decide(rr.api, subjectOf(rr, spec), attemptOf(rr, spec))),
  }),
  LocalSubjectAccessReview: async (rr, spec) => {
    const { namespace } = rr
    if (spec.resourceAttributes?.namespace !== namespace) {
      throw badRequest(
        `spec.resourceAttributes.namespace must match namespace: ${JSON.stringify(namespace)} != ${JSON.stringify(spec.resourceAttributes?.namespace ?? '')}`,
      )
    }
    return { status: accessStatus(await decide(rr.api, subjectOf(rr, spec), attemptOf(rr, spec))) }
  },
  SelfSubjectRulesReview: async (rr, spec) => {
    if (!spec.namespace) throw badRequest('no namespace on request')
    const rules = await rulesFor(rr, text(spec.namespace))
    return {
      spec: {},
      status: {
        resourceRules: rules
          .filter((rule) => rule.resources)
          .map(({ verbs, apiGroups, resources, resourceNames }) => ({
            verbs,
            apiGroups,
            resources,
            ...(resourceNames?.length && { resourceNames }),
          })),
        nonResourceRules: rules
          .filter((rule) => rule.nonResourceURLs)
          .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
        incomplete: false,
      },
    }
  },
  SelfSubjectReview: (rr) => ({ status: { userInfo: userInfo(rr.request.user) } }),
  TokenReview: (rr, spec) => {
    if (!spec.token) throw badRequest('token is required for TokenReview in authentication')
    const audiences: string[] =
      Array.isArray(spec.audiences) && spec.audiences.length > 0 ? spec.audiences : [issuerUrl]
    const verified = verifyToken(rr.api, text(spec.token), audiences)
    if (!('user' in verified)) return { status: { user: {}, error: verified.problem } }
    return { status: { authenticated: true, user: userInfo(verified.user), audiences: verified.audiences } }
  },
}

function userInfo({ name, uid, groups, extra }: User) {
  return {
    username: name,
    ...(uid && { uid }),
    groups,
    ...(extra && Object.keys(extra).length > 0 && { extra }),
  }
}

function accessStatus({ allowed, reason }: Decision) {
  return { allowed, ...(reason && { reason }) }
}

function subjectOf(rr: ResourceRequest, spec: any): User {
  const groups: string[] = Array.isArray(spec.groups) ? spec.groups.map(text) : []
  if (!spec.user && groups.length === 0) {
    throw refused(rr, 'spec.user', `Invalid value: "": at least one of user or group must be specified`)
  }
  return { name: text(spec.user), groups }
}

/** What the review asks about: exactly one of resourceAttributes and nonResourceAttributes. */
function attemptOf(rr: ResourceRequest, spec: any): Attempt {
  const { resourceAttributes: resource, nonResourceAttributes: other } = spec
  if (isObject(resource) === isObject(other)) {
    const problem = isObject(resource)
      ? 'cannot be specified in combination with resourceAttributes'
      : 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    throw refused(
      rr,
      isObject(resource) ? 'spec.nonResourceAttributes' : 'spec.resourceAttributes',
      `Invalid value: ${isObject(resource) ? JSON.stringify({ Path: text(other.path), Verb: text(other.verb) }) : 'null'}: ${problem}`,
    )
  }
  if (isObject(other)) return { verb: text(other['verb']), path: text(other['path']) }
  return {
    verb: text(resource.verb),
    group: text(resource.group),
    resource: text(resource.resource),
    subresource: text(resource.subresource),
    name: text(resource.name),
    namespace: text(resource.namespace),
  }
}

function refused(rr: ResourceRequest, field: string, message: string) {
  // kube-apiserver leaves the kind out.
  return invalid({ group: rr.info.group, kind: '' }, '', [{ reason: 'FieldValueInvalid', message, field }])
}

async function rulesFor(rr: ResourceRequest, namespace: string): Promise<PolicyRule[]> {
  const { user } = rr.request
  const rbac = rr.api.rbac.current ?? (await rr.api.rbac.load())
  const rules = rbac.rules(user, namespace)
  if (!superuser(user) || rules.some((rule) => rule.resources?.includes('*'))) return rules
  return [...rules, { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] }]
}

export function isReview(rr: ResourceRequest): boolean {
  const { kind, group } = rr.info
  return kind in kinds && (group === 'authorization.k8s.io' || group === 'authentication.k8s.io')
}

export async function review(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const { info } = rr
  const body = await readObject(rr.request, info.kind)
  const spec = isObject(body['spec']) ? body['spec'] : {}
  const apiVersion = `${info.group}/${info.version}`
  const { spec: shown = spec, status } = await kinds[info.kind](rr, spec)
  const sent = { apiVersion, kind: info.kind, metadata: {}, spec }
  const { manager } = writeOptions(rr, 'CreateOptions')
  const tracked = trackManagedFields({ info, after: sent, manager, now: rr.api.clock.now() })
  return render(rr.request, format, 201, {
    kind: info.kind,
    apiVersion,
    metadata: dated.has(info.kind) ? { creationTimestamp: nowOf(rr.api) } : tracked['metadata'],
    ...(info.schema.properties?.['spec'] && { spec: shown }),
    status,
  })
}
