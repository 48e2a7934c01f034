import { isObject } from '#lib'
import { builtinResources, type ResourceInfo, resourceFromCrd } from '../machinery/index.ts'
import type { Store, StoreEvent } from '../store/index.ts'

export const crdResource = 'apiextensions.k8s.io/customresourcedefinitions'

/** Holds a CustomResourceDefinition until its last object has gone. */
export const crdFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

/** Resources that are another's objects in other words: they share its place in the store. */
const aliases: Record<string, string> = { 'events.k8s.io/events': 'core/events' }

/** The store's name of a resource: `group/plural`, with `core` for the core group; versions share it. */
export function resourceKey(group: string, plural: string): string {
  const key = `${group === '' ? 'core' : group}/${plural}`
  return aliases[key] ?? key
}

/** Everything that is served: the built-in kinds and whatever CustomResourceDefinitions add, kept current by the store's events. */
export class Registry {
  readonly #builtin = new Map<string, ResourceInfo>()
  readonly #custom = new Map<string, Map<string, ResourceInfo>>()
  #generation = 1

  constructor(store: Store) {
    for (const info of builtinResources()) this.#builtin.set(keyOf(info.group, info.version, info.plural), info)
    for (const stored of store.list(crdResource)) this.#define(stored.id, stored.object)
    store.subscribe(crdResource, (event) => this.#changed(event))
  }

  /** Grows whenever a CRD changes what is served: documents made from the registry are cached by it. */
  get generation(): number {
    return this.#generation
  }

  /** Names what is served: equal on two servers that serve the same. */
  get fingerprint(): string {
    return this.all()
      .map((info) =>
        info.custom ? JSON.stringify([keyOf(info.group, info.version, info.kind), info.openAPIV3Schema]) : '',
      )
      .join()
  }

  lookup(group: string, version: string, plural: string): ResourceInfo | undefined {
    const key = keyOf(group, version, plural)
    const builtin = this.#builtin.get(key)
    if (builtin) return builtin
    return this.#custom.get(`${plural}.${group}`)?.get(version)
  }

  /** Whether anything is served under this group and version. */
  serves(group: string, version?: string): boolean {
    return this.all().some((info) => info.group === group && (version === undefined || info.version === version))
  }

  all(): ResourceInfo[] {
    return [...this.#builtin.values(), ...[...this.#custom.values()].flatMap((versions) => [...versions.values()])]
  }

  #changed(event: StoreEvent): void {
    if (event.type === 'DELETED') this.#custom.delete(event.after.id)
    else this.#define(event.after.id, event.after.object)
    this.#generation++
  }

  #define(name: string, crd: any): void {
    const versions = new Map<string, ResourceInfo>()
    if (crd.spec?.group && isObject(crd.spec.names) && Array.isArray(crd.spec.versions)) {
      for (const version of crd.spec.versions) {
        if (version.served) versions.set(version.name, resourceFromCrd(crd, version.name))
      }
    }
    this.#custom.set(name, versions)
  }
}

function keyOf(group: string, version: string, plural: string): string {
  return `${group}/${version}/${plural}`
}

/**
 * Versions of one group, newest first as Kubernetes prefers them: GA before beta before alpha, higher numbers first
 * (apimachinery version.CompareKubeAwareVersionStrings).
 */
export function compareVersions(a: string, b: string): number {
  const parse = (text: string) => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(text)
    if (!match) return undefined
    return [match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0, Number(match[1]), Number(match[3] ?? 0)]
  }
  const left = parse(a)
  const right = parse(b)
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : 1
  for (let index = 0; index < 3; index++) if (left[index] !== right[index]) return right[index] - left[index]
  return 0
}
