import type { KubeObject } from '#kube'
import { equal, errorMessage } from '#lib'
import { localRequest } from '../local-request.ts'
import type { Api } from '../request.ts'
import { matchesSelector } from '../selectors.ts'
import { updateObject } from '../write.ts'
import { rulesOf } from './rules.ts'

const resource = 'rbac.authorization.k8s.io/clusterroles'
const writing = {
  dryRun: false,
  fieldManager: '',
  manager: 'clusterrole-aggregation-controller',
  fieldValidation: 'Ignore',
  force: false,
} as const

/** Keeps the rules of ClusterRoles with an aggregationRule what their selectors say. Returns the way out. */
export function startAggregation(api: Api): () => void {
  const info = api.registry.lookup('rbac.authorization.k8s.io', 'v1', 'clusterroles')!
  let scheduled = false
  let stopped = false

  async function run(): Promise<void> {
    scheduled = false
    if (stopped) return
    const roles = api.store.list(resource).map((stored) => stored.object)
    for (const role of roles) {
      if (!role['aggregationRule']) continue
      const rules = aggregated(role, roles)
      if (equal(rules, role['rules'] ?? [])) continue
      const rr = { ...localRequest(api, info, undefined), name: role.metadata.name! }
      await updateObject(rr, writing, (current) => ({ ...current, rules }))
    }
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() =>
      run().catch((error) => {
        if (!stopped) api.log.warn({ error: errorMessage(error) }, 'roles could not be aggregated')
      }),
    )
  }

  const unsubscribe = api.store.subscribe(resource, schedule)
  schedule()
  return () => {
    stopped = true
    unsubscribe()
  }
}

function aggregated(role: KubeObject, roles: readonly KubeObject[]): unknown[] {
  const selectors: unknown[] = role['aggregationRule'].clusterRoleSelectors ?? []
  const rules = selectors.flatMap((selector) =>
    roles
      .filter((one) => one.metadata.name !== role.metadata.name && matchesSelector(selector, one.metadata.labels))
      .flatMap(rulesOf),
  )
  return rules.filter((rule, index) => rules.findIndex((other) => equal(other, rule)) === index)
}
