// only zod's types: whoever declares a resource brings the schemas, and an operator that does not pays nothing
import type { z } from 'zod'
import { apiVersionOf, type KubeObject, type objects, type ResourceType } from '#kube'
import { CuddleError } from '#lib'
import { structuralSchema } from './structural-schema.ts'

export interface PrinterColumn {
  name: string
  type: 'integer' | 'number' | 'string' | 'boolean' | 'date'
  jsonPath: string
  description?: string
  format?: string
  /** Above 0: only with `-o wide`. */
  priority?: number
}

export interface ResourceDefinition<Spec extends z.ZodType, Status extends z.ZodType> {
  group: string
  version: string
  kind: string
  /** @default lower-case kind with `s` */
  plural?: string
  /** @default lower-case kind */
  singular?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  /** @default Namespaced, or what `namespaced` says */
  scope?: 'Namespaced' | 'Cluster'
  /** The same as `scope`, as ResourceType has it. */
  namespaced?: boolean
  spec: Spec
  status?: Status
  printerColumns?: readonly PrinterColumn[]
  /** The API server refuses every change of spec (a CEL rule). */
  immutableSpec?: boolean
  /** Serves the scale subresource, so that `kubectl scale` and the HPA work. */
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string }
}

/** The TypeScript type that follows from a definition's schemas. */
export interface CustomObject<Spec, Status> extends KubeObject {
  spec: Spec
  status?: Status
}

export interface Resource<T extends KubeObject> extends ResourceType<T> {
  /** The CustomResourceDefinition, to be applied before the operator starts. */
  crd(): KubeObject & objects.CustomResourceDefinition
  /** Checks an object by the schemas and fills defaults in; a CuddleError `invalid-object` lists every problem. */
  parse(object: unknown): T
}

/** One declaration of a custom resource: where it is served, its TypeScript type, its CRD and its validation. */
export function resource<Spec extends z.ZodType, Status extends z.ZodType = z.ZodType<any>>(
  definition: ResourceDefinition<Spec, Status>,
): Resource<CustomObject<z.output<Spec>, z.output<Status>>> {
  const { group, version, kind } = definition
  const plural = definition.plural ?? `${kind.toLowerCase()}s`
  const namespaced = definition.scope ? definition.scope === 'Namespaced' : (definition.namespaced ?? true)
  const type = { group, version, kind, plural, namespaced }
  return {
    ...type,
    crd: () => crdOf(definition, type),
    parse: (object) => parse(definition, type, object),
  }
}

function crdOf(definition: ResourceDefinition<any, any>, type: ResourceType) {
  const { group, version, kind, plural, namespaced } = type
  const { shortNames, categories, printerColumns, scale } = definition
  const spec = schemaOf(definition.spec)
  if (definition.immutableSpec)
    spec['x-kubernetes-validations'] = [{ rule: 'self == oldSelf', message: 'spec is immutable' }]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: namespaced ? 'Namespaced' : 'Cluster',
      names: {
        kind,
        plural,
        singular: definition.singular ?? kind.toLowerCase(),
        listKind: `${kind}List`,
        ...(shortNames && { shortNames: [...shortNames] }),
        ...(categories && { categories: [...categories] }),
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec,
                ...(definition.status && { status: schemaOf(definition.status) }),
              },
            },
          },
          subresources: { ...(definition.status && { status: {} }), ...(scale && { scale }) },
          ...(printerColumns && { additionalPrinterColumns: printerColumns.map((column) => ({ ...column })) }),
        },
      ],
    },
  }
}

function schemaOf(schema: z.ZodType): Record<string, any> {
  return structuralSchema(schema.toJSONSchema({ target: 'openapi-3.0', io: 'input', unrepresentable: 'any' }))
}

function parse(definition: ResourceDefinition<any, any>, type: ResourceType, object: unknown): any {
  const { spec, status, ...rest } = object as KubeObject
  const problems: string[] = []
  const check = (field: string, schema: z.ZodType, value: unknown) => {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    for (const { path, message } of result.error.issues) problems.push(`${[field, ...path].join('.')}: ${message}`)
    return undefined
  }
  const parsed = {
    ...rest,
    spec: check('spec', definition.spec, spec),
    ...(definition.status && status !== undefined && { status: check('status', definition.status, status) }),
  }
  if (rest.apiVersion !== apiVersionOf(type) || rest.kind !== type.kind)
    problems.unshift(`apiVersion, kind: expected ${apiVersionOf(type)} ${type.kind}`)
  if (problems.length === 0) return parsed
  throw new CuddleError('invalid-object', `${type.kind} ${rest.metadata?.name ?? ''} is not valid`, {
    details: problems,
  })
}
