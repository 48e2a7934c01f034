import { isObject } from '#lib'
import { allowed } from './authorization.ts'
import { readObject } from './body.ts'
import { negotiate, render } from './negotiate.ts'
import type { ApiResponse, ResourceRequest } from './request.ts'
import { verifyToken } from './subresources/token.ts'

/** Kinds that are asked, not stored: the answer is the object with its status filled in. */
const kinds: Record<string, (rr: ResourceRequest, spec: any) => { spec?: unknown; status: unknown }> = {
  SelfSubjectAccessReview: (rr) => ({ status: { allowed: allowed(rr.request.user) } }),
  SubjectAccessReview: (_, spec) => ({
    status: { allowed: allowed({ name: spec.user ?? '', groups: spec.groups ?? [] }) },
  }),
  LocalSubjectAccessReview: (_, spec) => ({
    status: { allowed: allowed({ name: spec.user ?? '', groups: spec.groups ?? [] }) },
  }),
  SelfSubjectRulesReview: (rr) => ({
    spec: {},
    status: {
      resourceRules: allowed(rr.request.user) ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] : [],
      nonResourceRules: [
        { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
        ...(allowed(rr.request.user) ? [{ verbs: ['*'], nonResourceURLs: ['*'] }] : []),
      ],
      incomplete: false,
    },
  }),
  SelfSubjectReview: (rr) => {
    const { name, uid, groups } = rr.request.user
    return { status: { userInfo: { username: name, ...(uid && { uid }), groups } } }
  },
  TokenReview: (rr, spec) => {
    const user = verifyToken(rr.api, String(spec.token ?? ''))
    if (!user) return { status: { user: {}, error: 'invalid bearer token' } }
    return { status: { authenticated: true, user: { username: user.name, uid: user.uid, groups: user.groups } } }
  },
}

export function isReview(rr: ResourceRequest): boolean {
  return (
    (rr.info.kind in kinds && rr.info.group.endsWith('ization.k8s.io')) ||
    (rr.info.kind in kinds && rr.info.group === 'authentication.k8s.io')
  )
}

export async function review(rr: ResourceRequest): Promise<ApiResponse> {
  const format = negotiate(rr.request)
  const body = await readObject(rr.request, rr.info.kind)
  const spec = isObject(body['spec']) ? body['spec'] : {}
  const apiVersion = `${rr.info.group}/${rr.info.version}`
  const answer = kinds[rr.info.kind](rr, spec)
  return render(rr.request, format, 201, {
    kind: rr.info.kind,
    apiVersion,
    metadata: { creationTimestamp: null },
    spec,
    ...answer,
  })
}
