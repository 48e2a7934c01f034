import { isObject } from '#lib'

/** rbac.authorization.k8s.io/v1 PolicyRule. */
export interface PolicyRule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

/** What somebody wants to do: with a resource, or with a path that is none. */
export interface Action {
  verb: string
  group: string
  resource: string
  subresource?: string | undefined
  /** Undefined for creations and collections. */
  name?: string | undefined
  /** Undefined for the whole cluster. */
  namespace?: string | undefined
  path?: undefined
}
export type Attempt = Action | { verb: string; path: string }

const has = (list: readonly string[] | undefined, value: string) => list?.includes('*') || list?.includes(value)

/** Whether one rule allows it (plugin/pkg/auth/authorizer/rbac RuleAllows). */
export function ruleAllows(rule: PolicyRule, attempt: Attempt): boolean {
  if (!has(rule.verbs, attempt.verb)) return false
  if (attempt.path !== undefined) return urlCovered(rule, attempt.path)
  const { group, resource, subresource, name } = attempt
  if (!has(rule.apiGroups, group) || !resourceMatches(rule, resource, subresource)) return false
  return !rule.resourceNames?.length || (name !== undefined && name !== '' && rule.resourceNames.includes(name))
}

function resourceMatches(rule: PolicyRule, resource: string, subresource: string | undefined): boolean {
  const combined = subresource ? `${resource}/${subresource}` : resource
  return (
    rule.resources?.some((one) => one === '*' || one === combined || (subresource && one === `*/${subresource}`)) ??
    false
  )
}

function urlCovered(rule: PolicyRule, path: string): boolean {
  return (
    rule.nonResourceURLs?.some(
      (url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
    ) ?? false
  )
}

/** The parts of `wanted` that no rule of `owned` covers, each with one verb (component-helpers rbac validation.Covers). */
export function uncovered(wanted: readonly PolicyRule[], owned: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(parts).filter((part) => !owned.some((rule) => covers(rule, part)))
}

function parts(rule: PolicyRule): PolicyRule[] {
  const urls = (rule.nonResourceURLs ?? []).map((url): Partial<PolicyRule> => ({ nonResourceURLs: [url] }))
  const names = rule.resourceNames?.length ? rule.resourceNames.map((name) => ({ resourceNames: [name] })) : [{}]
  const resources = (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).flatMap((resource) =>
      names.map((name): Partial<PolicyRule> => ({ apiGroups: [group], resources: [resource], ...name })),
    ),
  )
  return rule.verbs.flatMap((verb) => [...resources, ...urls].map((part) => ({ ...part, verbs: [verb] })))
}

function covers(owned: PolicyRule, part: PolicyRule): boolean {
  if (!has(owned.verbs, part.verbs[0])) return false
  if (part.nonResourceURLs) return urlCovered(owned, part.nonResourceURLs[0])
  const [resource, subresource] = part.resources![0].split('/', 2)
  if (!has(owned.apiGroups, part.apiGroups![0]) || !resourceMatches(owned, resource, subresource)) return false
  return !owned.resourceNames?.length || owned.resourceNames.includes(part.resourceNames?.[0] ?? '')
}

/** Rules that differ in the verb only, as one. */
export function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const merged = new Map<string, PolicyRule>()
  for (const { verbs, ...rest } of rules) {
    const key = JSON.stringify(rest)
    const known = merged.get(key)
    if (!known) merged.set(key, { ...rest, verbs: [...verbs] })
    else known.verbs.push(...verbs.filter((verb) => !known.verbs.includes(verb)))
  }
  return [...merged.values()]
}

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}` (rbacv1helpers CompactString). */
export function describeRule(rule: PolicyRule): string {
  const fields: [string, string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ]
  const shown = fields
    .filter(([, list]) => list?.length)
    .map(([name, list]) => `${name}:[${list!.map((one) => JSON.stringify(one)).join(' ')}]`)
  return `{${shown.join(', ')}}`
}

/** The rules of a Role or ClusterRole as stored. */
export function rulesOf(role: any): PolicyRule[] {
  return Array.isArray(role?.rules)
    ? role.rules.filter((rule: unknown) => isObject(rule) && Array.isArray(rule['verbs']))
    : []
}
