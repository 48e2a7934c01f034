import { definition, index } from './schemas.ts'
import type { ResourceInfo, Schema } from './types.ts'

let cached: ResourceInfo[] | undefined

/** Every built-in resource of the API. The same array each time; schemas are read when first asked for. */
export function builtinResources(): ResourceInfo[] {
  cached ??= index().resources.map(
    (row): ResourceInfo => ({
      group: row.group,
      version: row.version,
      kind: row.kind,
      listKind: `${row.kind}List`,
      plural: row.plural,
      singular: row.kind.toLowerCase(),
      shortNames: row.shortNames ?? [],
      categories: row.categories ?? [],
      namespaced: row.namespaced,
      verbs: row.verbs,
      subresources: {
        ...(row.status && { status: true }),
        ...(row.scale && {
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.spec.selector',
          },
        }),
      },
      otherSubresources: row.extra ?? {},
      get schema(): Schema {
        return definition(row.schema)
      },
      custom: false,
    }),
  )
  return cached
}
