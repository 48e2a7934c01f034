import { superuser } from '../authorization.ts'
import type { Plugin } from './plugin.ts'

/** Nobody grants through roles and bindings what they may not do themselves. */
export const rbacEscalation: Plugin = {
  validate(rr, attributes) {
    if (rr.info.group !== 'rbac.authorization.k8s.io' || superuser(rr.request.user)) return
    // Who is no superuser has come past the authorizer, so it is there.
    rr.api.rbac.current!.checkEscalation(rr, attributes)
  },
}
