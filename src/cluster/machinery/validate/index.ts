import type { Cause, ResourceInfo } from '../types.ts'

/** The rules of a built-in kind beyond types and enums. */
export function validate(_info: ResourceInfo, _object: any, _old: any | undefined): Cause[] {
  return []
}
