import type { Store, StoreEvent } from '../../store/index.ts'
import type { User } from '../request.ts'
import { type Attempt, type PolicyRule, ruleAllows, rulesOf } from './rules.ts'

const group = 'rbac.authorization.k8s.io'
const clusterBindings = `${group}/clusterrolebindings`
const roleBindings = `${group}/rolebindings`

interface Binding {
  /** `name`, or `namespace/name`. */
  id: string
  namespace: string | undefined
  name: string
  roleRef: { kind: string; name: string }
  subjects: { key: string; text: string }[]
}

export interface Decision {
  allowed: boolean
  /** Why, as SubjectAccessReviews say it. */
  reason: string
  /** Roles that were bound but do not exist. */
  problems: string[]
}

/**
 * Who may do what, by Roles and bindings. Bindings are indexed by subject and kept current by the store's events; roles are
 * read where they lie, in the store's RAM. Nothing is listed for a request.
 */
export class Authorizer {
  readonly #store: Store
  readonly #bindings = new Map<string, Binding>()
  /** `namespace\0subject`, the namespace empty for ClusterRoleBindings, → ids of bindings. */
  readonly #bySubject = new Map<string, Set<string>>()
  readonly #unsubscribe: (() => void)[]

  constructor(store: Store) {
    this.#store = store
    for (const resource of [clusterBindings, roleBindings])
      for (const { id, object } of store.list(resource)) this.#add(id, object)
    this.#unsubscribe = [clusterBindings, roleBindings].map((resource) =>
      store.subscribe(resource, (event) => this.#changed(event)),
    )
  }

  close(): void {
    for (const stop of this.#unsubscribe) stop()
  }

  authorize(user: User, attempt: Attempt): Decision {
    const problems: string[] = []
    const namespace = attempt.path === undefined ? attempt.namespace : undefined
    for (const { rules, binding, subject } of this.#applicable(user, namespace, problems)) {
      if (!rules.some((rule) => ruleAllows(rule, attempt))) continue
      const { kind, name } = binding.roleRef
      const what = binding.namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding'
      const which = binding.namespace === undefined ? binding.name : `${binding.name}/${binding.namespace}`
      const reason = `RBAC: allowed by ${what} ${JSON.stringify(which)} of ${kind} ${JSON.stringify(name)} to ${subject}`
      return { allowed: true, reason, problems }
    }
    const text = problems.length > 1 ? `[${problems.join(', ')}]` : problems.join()
    return { allowed: false, reason: text === '' ? '' : `RBAC: ${text}`, problems }
  }

  /** Every rule that applies to a user in a namespace (and in the whole cluster). */
  rules(user: User, namespace: string | undefined): PolicyRule[] {
    return [...this.#applicable(user, namespace, [])].flatMap(({ rules }) => rules)
  }

  /** The rules of a role by reference; undefined when it does not exist. */
  role(kind: string, name: string, namespace: string | undefined): PolicyRule[] | undefined {
    const stored =
      kind === 'Role'
        ? this.#store.peek(`${group}/roles`, `${namespace}/${name}`)
        : this.#store.peek(`${group}/clusterroles`, name)
    return stored && rulesOf(stored.object)
  }

  *#applicable(user: User, namespace: string | undefined, problems: string[]) {
    const keys = [`User ${user.name}`, ...user.groups.map((name) => `Group ${name}`)]
    for (const scope of namespace ? ['', namespace] : ['']) {
      for (const key of keys) {
        for (const id of this.#bySubject.get(`${scope}\0${key}`) ?? []) {
          const binding = this.#bindings.get(id)!
          const { kind, name } = binding.roleRef
          const rules = this.role(kind, name, binding.namespace)
          const subject = binding.subjects.find((one) => one.key === key)!.text
          if (rules) yield { rules, binding, subject }
          else problems.push(`${kind.toLowerCase()}.${group} ${JSON.stringify(name)} not found`)
        }
      }
    }
  }

  #changed({ type, after }: StoreEvent): void {
    this.#drop(after.id)
    if (type !== 'DELETED') this.#add(after.id, after.object)
  }

  #add(id: string, object: any): void {
    const { name, namespace } = object.metadata
    const subjects = (object.subjects ?? []).map((subject: any) => describe(subject, namespace))
    const binding: Binding = { id, name, namespace, roleRef: object.roleRef, subjects }
    this.#bindings.set(id, binding)
    for (const { key } of binding.subjects) {
      const place = `${namespace ?? ''}\0${key}`
      let ids = this.#bySubject.get(place)
      if (!ids) this.#bySubject.set(place, (ids = new Set()))
      ids.add(id)
    }
  }

  #drop(id: string): void {
    const binding = this.#bindings.get(id)
    if (!binding) return
    this.#bindings.delete(id)
    for (const { key } of binding.subjects) {
      const place = `${binding.namespace ?? ''}\0${key}`
      const ids = this.#bySubject.get(place)
      ids?.delete(id)
      if (ids?.size === 0) this.#bySubject.delete(place)
    }
  }
}

/** A subject as the key of the users it means, and in words. */
function describe(subject: any, bindingNamespace: string | undefined): { key: string; text: string } {
  if (subject.kind !== 'ServiceAccount')
    return { key: `${subject.kind} ${subject.name}`, text: `${subject.kind} ${JSON.stringify(subject.name)}` }
  const namespace = subject.namespace ?? bindingNamespace ?? ''
  return {
    key: `User system:serviceaccount:${namespace}:${subject.name}`,
    text: `ServiceAccount ${JSON.stringify(`${subject.name}/${namespace}`)}`,
  }
}
