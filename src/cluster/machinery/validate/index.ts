import type { Cause, ResourceInfo } from '../types.ts'
import { core } from './core.ts'
import { events } from './events.ts'
import { others } from './others.ts'
import { rarer } from './rarer.ts'
import { workloads } from './workloads.ts'

/** The rules of a built-in kind beyond types and enums; `old` is the stored object of an update. */
export function validate(info: ResourceInfo, object: any, old: any | undefined): Cause[] {
  const key = `${info.group}/${info.kind}`
  const rule = core[key] ?? workloads[key] ?? others[key] ?? events[key] ?? rarer[key]
  return rule ? rule(object, old) : []
}
