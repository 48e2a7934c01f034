import type { KubeObject } from '#kube'
import { isObject, stableStringify } from '#lib'

/** The objects of one moment, by kind and normalised name, as they are compared. */
export type Frame = Record<string, unknown>

/** Of Endpoints and slices: when the change came that they were written for. */
export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Numbers the hashes that controllers put into names, in the order in which they come up. */
export class Hashes {
  readonly #numbers = new Map<string, string>()

  /** Learns the hashes of these objects; those that come up together are told apart by their revision. */
  learn(objects: readonly KubeObject[]): void {
    const found = objects.flatMap((object) => {
      const { labels = {}, annotations = {} } = object.metadata
      const revision = Number(annotations['deployment.kubernetes.io/revision'] ?? object['revision'] ?? 0)
      const hash = labels['pod-template-hash'] ?? labels['controller.kubernetes.io/hash']
      return [hash, labels['controller-revision-hash']].flatMap((value) => {
        // Of StatefulSets the label is a name, of which only the end is the hash.
        const own = value?.slice(value.lastIndexOf('-') + 1)
        return own ? [{ hash: own, revision: object.kind === 'Pod' ? Number.POSITIVE_INFINITY : revision }] : []
      })
    })
    for (const { hash } of found.sort((a, b) => a.revision - b.revision))
      if (!this.#numbers.has(hash)) this.#numbers.set(hash, `<hash ${this.#numbers.size + 1}>`)
  }

  replace(text: string): string {
    for (const [hash, number] of this.#numbers) text = text.replaceAll(hash, number)
    return text
  }
}

/**
 * What no two clusters have in common is replaced by what it stands for: random suffixes, hashes, uids, times, addresses.
 * Objects with random names are told apart by what else they are.
 */
export function frameOf(objects: readonly KubeObject[], hashes: Hashes): Frame {
  hashes.learn(objects)
  const entries = objects.map((object) => {
    const value = normalise(object, hashes)
    const name = `${object.kind} ${(value['metadata'] as any).name}`
    return { name, value, text: stableStringify(value as any) }
  })
  entries.sort((a, b) => (a.name === b.name ? order(a.text, b.text) : order(a.name, b.name)))
  const seen = new Map<string, number>()
  return Object.fromEntries(
    entries.map(({ name, value }) => {
      const number = (seen.get(name) ?? 0) + 1
      seen.set(name, number)
      return [number === 1 ? name : `${name} (${number})`, value]
    }),
  )
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function normalise(object: KubeObject, hashes: Hashes): Record<string, unknown> {
  const { generation } = object.metadata
  const text = (value: string) =>
    hashes
      .replace(value)
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uid>')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replace(/-[bcdfghjklmnpqrstvwxz2456789]{5}(?![\w-])/g, '-<random>')
      // Of nodes only those count that are of this scenario.
      .replace(/\b0\/\d+ nodes are available/g, '0/<nodes> nodes are available')
      .replace(
        / \d+ (node\(s\) (didn't match Pod's node affinity\/selector|had untolerated taint\(s\)|were unschedulable)|Preemption is not helpful for scheduling)([,.])/g,
        ' $3',
      )
      .replace(/ ,/g, '')
      .replace(/,? \./g, '.')
      .replace(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g, '<certificate>')
      .replace(/\b10\.244\.\d+\.\d+\b/g, '<pod ip>')
      .replace(/\b192\.0\.2\.\d+\b/g, '<node ip>')
      .replace(/\b(10\.96|127\.(4[89]|5[0-5]))\.\d+\.\d+\b/g, '<cluster ip>')
  const walk = (value: unknown, key?: string): unknown => {
    if (typeof value === 'string') return key === 'resourceVersion' ? '<rv>' : text(value)
    // Whether it was seen, not how often it was changed before.
    if (key === 'observedGeneration') return value === generation ? '<current>' : '<behind>'
    if (Array.isArray(value)) {
      const items = value.map((one) => walk(one))
      if (items.every((one) => isObject(one) && typeof one['type'] === 'string'))
        return items.sort((a: any, b: any) => order(a.type, b.type))
      const text = (one: unknown) => stableStringify(one as any)
      return key === 'endpoints' || key === 'taints' ? items.sort((a, b) => order(text(a), text(b))) : items
    }
    if (!isObject(value)) return value
    // A time that is not set is null in Go's JSON: whether it is, is the contract suite's business.
    const keys = Object.keys(value).filter((name) => value[name] !== null)
    return Object.fromEntries(keys.map((name) => [text(name), walk(value[name], name)]))
  }
  const { managedFields: _, resourceVersion: __, generation: ___, annotations, ...metadata } = object.metadata
  // Times have whole seconds, and only changes to a later one count: which writes are told of is a matter of speed.
  const { [triggerAnnotation]: ____, ...lasting } = annotations ?? {}
  const kept = Object.keys(lasting).length > 0 ? { ...metadata, annotations: lasting } : metadata
  return walk({ ...object, metadata: kept }) as Record<string, unknown>
}
