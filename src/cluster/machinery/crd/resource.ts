import type { ResourceInfo, Schema } from '../types.ts'
import { addObjectFields, fromOpenApi } from './schema.ts'

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']

/**
 * What a CustomResourceDefinition serves under one of its versions. Status' accepted names win over the spec's.
 * Throws Error when the definition has no such version.
 */
export function resourceFromCrd(crd: Record<string, any>, version: string): ResourceInfo {
  const { spec } = crd
  const served = spec.versions.find((item: any) => item.name === version)
  if (!served) throw new Error(`customresourcedefinition ${crd.metadata?.name} has no version ${version}`)
  const names = { ...spec.names, ...(crd.status?.acceptedNames?.plural && crd.status.acceptedNames) }
  const openAPIV3Schema = served.schema?.openAPIV3Schema
  let schema: Schema | undefined
  return {
    group: spec.group,
    version,
    kind: names.kind,
    listKind: names.listKind || `${names.kind}List`,
    plural: names.plural,
    singular: names.singular || names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: spec.scope === 'Namespaced',
    verbs,
    subresources: {
      ...(served.subresources?.status && { status: true }),
      ...(served.subresources?.scale && { scale: served.subresources.scale }),
    },
    otherSubresources: {},
    get schema(): Schema {
      if (!schema) {
        schema = fromOpenApi(openAPIV3Schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
        addObjectFields(schema)
      }
      return schema
    },
    custom: true,
    ...(served.additionalPrinterColumns?.length && { printerColumns: served.additionalPrinterColumns }),
    selectableFields: (served.selectableFields ?? []).map((field: any) => field.jsonPath),
    openAPIV3Schema,
  }
}
