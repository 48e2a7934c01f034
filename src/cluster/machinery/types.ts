/**
 * The type of a value, for built-in kinds and custom resources alike: what OpenAPI and the x-kubernetes extensions say, without
 * prose. References are already followed; schemas may be cyclic and shared, so they are never changed nor enumerated.
 */
export interface Schema {
  /** The definition's name (`core.v1.PodSpec`), built-in definitions only. */
  readonly name?: string
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  /** OpenAPI's, plus `quantity`, `int-or-string` and `micro-time`, whose `type` is undefined or `string`. */
  format?: string
  properties?: Record<string, Schema>
  /** The values of a map; `true` = anything. */
  additional?: Schema | true
  items?: Schema
  required?: string[]
  enum?: unknown[]
  default?: unknown
  listType?: 'atomic' | 'set' | 'map'
  listKeys?: string[]
  mapType?: 'atomic' | 'granular'
  /** Strategic merge patch: the key of a list, and `merge`, `replace`, `retainKeys` or two of them joined by a comma. */
  mergeKey?: string
  strategy?: string
  /** Whatever is not named in `properties` is kept as it is. */
  preserveUnknown?: boolean
  /** A whole object with apiVersion, kind and metadata. */
  embedded?: boolean
  nullable?: boolean
  minimum?: number
  maximum?: number
  exclusiveMinimum?: boolean
  exclusiveMaximum?: boolean
  multipleOf?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  minProperties?: number
  maxProperties?: number
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  /** x-kubernetes-validations. */
  rules?: ValidationRule[]
}

/** A CEL rule of a CustomResourceDefinition. */
export interface ValidationRule {
  rule: string
  message?: string
  messageExpression?: string
  reason?: string
  fieldPath?: string
  optionalOldSelf?: boolean
}

export interface PrinterColumn {
  name: string
  type: string
  format?: string
  description?: string
  priority?: number
  jsonPath: string
}

export interface ResourceInfo {
  /** `''` for core. */
  group: string
  version: string
  kind: string
  listKind: string
  plural: string
  singular: string
  shortNames: string[]
  categories: string[]
  namespaced: boolean
  verbs: string[]
  subresources: {
    status?: true
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string }
  }
  /** Every other subresource that Kubernetes has here (log, exec, binding, token, …), whether or not it is served. */
  otherSubresources: Record<string, { group: string; version: string; kind: string; verbs: string[] }>
  readonly schema: Schema
  /** Defined by a CustomResourceDefinition. */
  custom: boolean
  printerColumns?: PrinterColumn[]
  selectableFields?: string[]
  /** The definition's openAPIV3Schema as written, custom resources only: what clients are shown. */
  openAPIV3Schema?: Record<string, any>
}

/** One entry of a Status' details.causes. */
export interface Cause {
  reason:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueDuplicate'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
  message: string
  field: string
}

/** An object made ready for the store. */
export interface Prepared {
  object: Record<string, any>
  /** Paths of the fields that were dropped because the schema has none of that name. */
  unknown: string[]
  causes: Cause[]
  /**
   * The object does not decode into its (built-in) type: the message to answer with 400 BadRequest, as in
   * `Deployment in version "v1" cannot be handled as a Deployment: MESSAGE`. `causes` then holds the same.
   */
  malformed?: string
}

const reasons = { 400: 'BadRequest', 413: 'RequestEntityTooLarge', 422: 'Invalid', 500: 'InternalError' }

/** A patch that cannot be applied: answer with `code` and the message. */
export class PatchError extends Error {
  readonly code: 400 | 413 | 422 | 500
  readonly reason: string
  constructor(code: 400 | 413 | 422 | 500, message: string) {
    super(message)
    this.name = 'PatchError'
    this.code = code
    this.reason = reasons[code]
  }
}
