import type { Attributes } from '../admission/plugin.ts'
import { trustReaderRole } from '../aggregation/trust.ts'
import { ensure } from '../bootstrap.ts'
import type { Api, ResourceRequest, User } from '../request.ts'
import { startAggregation } from './aggregate.ts'
import { Authorizer, type Decision } from './authorizer.ts'
import { checkEscalation } from './escalation.ts'
import { bootstrapRoles } from './roles.ts'
import type { Attempt, PolicyRule } from './rules.ts'

export type { Attempt, Decision, PolicyRule }

/** Role-based access control of one API server. */
export interface Rbac {
  authorize(user: User, attempt: Attempt): Decision
  rules(user: User, namespace: string | undefined): PolicyRule[]
  /** Throws 403 when a write of RBAC objects grants what the writer does not have. */
  checkEscalation(rr: ResourceRequest, attributes: Attributes): void
  close(): void
}

/** Creates the roles that every cluster has where they are missing, and resolves once the index answers. */
export async function startRbac(api: Api): Promise<Rbac> {
  await ensure(api, [...bootstrapRoles(), trustReaderRole()])
  const authorizer = new Authorizer(api.store)
  const stopAggregation = startAggregation(api)
  return {
    authorize: (user, attempt) => authorizer.authorize(user, attempt),
    rules: (user, namespace) => authorizer.rules(user, namespace),
    checkEscalation: (rr, attributes) => checkEscalation(authorizer, rr, attributes),
    close() {
      stopAggregation()
      authorizer.close()
    },
  }
}
