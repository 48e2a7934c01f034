import { isObject } from '#lib'
import { invalid } from '../causes.ts'
import { definition } from '../schemas.ts'
import { shape } from '../shape.ts'
import { type Cause, PatchError, type Prepared, type ResourceInfo } from '../types.ts'
import { hasRules, validateRules } from './cel.ts'
import { pruneAndDefault } from './prune.ts'
import { validateValue } from './validate.ts'

const unchecked =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation'

/** Prunes, defaults and validates a custom resource. Rules in CEL are only run on an object that is valid otherwise. */
export function prepareCustom(
  info: ResourceInfo,
  input: Record<string, any>,
  old: Record<string, any> | undefined,
  metadataCauses: (object: Record<string, any>) => Cause[],
): Prepared {
  const unknown: string[] = []
  const { schema } = info
  try {
    const metadata = shape(definition('meta.v1.ObjectMeta'), isObject(input.metadata) ? input.metadata : {})
    if (metadata.malformed !== undefined)
      return { object: input, unknown, causes: metadata.causes, malformed: metadata.malformed }
    unknown.push(...metadata.unknown.map((path) => `metadata.${path}`))
    const object = pruneAndDefault(schema, { ...input, metadata: metadata.object }, unknown)
    object.metadata = metadata.object
    unknown.sort()
    const causes = metadataCauses(object)
    const { apiVersion: _, kind: __, metadata: ___, ...fields } = object
    validateValue(
      schema,
      fields,
      '',
      causes,
      old && { ...old, apiVersion: undefined, kind: undefined, metadata: undefined },
    )
    if (!hasRules(schema)) return { object, unknown, causes }
    if (causes.length > 0) causes.push(invalid('<nil>', null, unchecked))
    else causes.push(...validateRules(schema, object, old))
    return { object, unknown, causes }
  } catch (error) {
    if (!(error instanceof PatchError)) throw error
    return { object: input, unknown, causes: [], malformed: error.message }
  }
}
