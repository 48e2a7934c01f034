export { builtinResources } from './resources.ts'
export { definition, schemaOf } from './schemas.ts'
export type { Cause, Prepared, PrinterColumn, ResourceInfo, Schema, ValidationRule } from './types.ts'
export { PatchError } from './types.ts'
