import { matches } from '#kube'
import type { AffinityTerm, PodInfo } from './pod-info.ts'
import type { Domains } from './spread.ts'

type Labels = Record<string, string> | undefined

/** A pod on a node, with the node's labels. */
interface Placed {
  info: PodInfo
  labels: Labels
}

/** A term of required anti-affinity that pods have, and how many of them lie in each domain. */
export interface Repulsion {
  term: AffinityTerm
  domains: Domains
}

/** Old templates' terms would be kept for ever otherwise. */
const keptTerms = 256

export function termSelects(term: AffinityTerm, pod: PodInfo): boolean {
  return (term.namespaces?.has(pod.namespace) ?? true) && matches(term.selector, pod.labels)
}

/**
 * How pods lie over the domains that terms of (anti-)affinity speak of. Counted once, then kept: one more pod costs a look at each
 * term, not each new pod a look at all the others.
 */
export class Terms {
  readonly #everyone: () => Iterable<Placed>
  readonly #selected = new Map<string, { terms: readonly AffinityTerm[]; domains: Domains[] }>()
  /** Undefined: to be counted anew. */
  #repulsions: Map<string, Repulsion> | undefined

  constructor(everyone: () => Iterable<Placed>) {
    this.#everyone = everyone
  }

  /** Where the pods are that all of these terms select: for each term, by its topology. */
  selected(terms: readonly AffinityTerm[]): Domains[] {
    const id = terms.length === 1 ? terms[0].id : JSON.stringify(terms.map((term) => term.id))
    const known = this.#selected.get(id)
    if (known) return known.domains
    if (this.#selected.size >= keptTerms) this.#selected.clear()
    const made = { terms, domains: terms.map((): Domains => new Map()) }
    this.#selected.set(id, made)
    for (const placed of this.#everyone()) countSelected(made, placed, 1)
    return made.domains
  }

  /** The anti-affinity of all pods, each term once. */
  repulsions(): Iterable<Repulsion> {
    if (!this.#repulsions) {
      this.#repulsions = new Map()
      for (const placed of this.#everyone()) countRepulsions(this.#repulsions, placed, 1)
    }
    return this.#repulsions.values()
  }

  /** A pod has come to a node, or left it. */
  count(placed: Placed, by: 1 | -1): void {
    for (const counter of this.#selected.values()) countSelected(counter, placed, by)
    if (this.#repulsions) countRepulsions(this.#repulsions, placed, by)
  }

  /** The labels of nodes have changed. */
  forget(): void {
    this.#selected.clear()
    this.#repulsions = undefined
  }
}

function countSelected(
  { terms, domains }: { terms: readonly AffinityTerm[]; domains: Domains[] },
  { info, labels }: Placed,
  by: 1 | -1,
): void {
  if (!labels || !terms.every((term) => termSelects(term, info))) return
  for (const [index, { topologyKey }] of terms.entries()) add(domains[index], labels[topologyKey], by)
}

function countRepulsions(repulsions: Map<string, Repulsion>, { info, labels }: Placed, by: 1 | -1): void {
  for (const term of info.antiAffinity) {
    let repulsion = repulsions.get(term.id)
    if (!repulsion) repulsions.set(term.id, (repulsion = { term, domains: new Map() }))
    add(repulsion.domains, labels?.[term.topologyKey], by)
    if (repulsion.domains.size === 0) repulsions.delete(term.id)
  }
}

function add(domains: Domains, value: string | undefined, by: 1 | -1): void {
  if (value === undefined) return
  const count = (domains.get(value) ?? 0) + by
  if (count > 0) domains.set(value, count)
  else domains.delete(value)
}
