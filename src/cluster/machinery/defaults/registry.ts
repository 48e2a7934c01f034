import * as apps from './apps.ts'
import * as batch from './batch.ts'
import * as core from './core.ts'
import { defaults as others } from './others.ts'

/** Fills in what an object of the kind leaves open. Changes the object. */
export type Defaulter = (object: any) => void
/** What the server sets when an object is first created. Changes the object. */
export type OnCreate = (object: any) => void
/** What the server carries over from the stored object. Changes the object. */
export type OnUpdate = (object: any, old: any) => void

/** The hooks of a built-in kind; any may be missing. */
export function hooksOf(group: string, kind: string): { defaults?: Defaulter; create?: OnCreate; update?: OnUpdate } {
  switch (group) {
    case '':
      return { defaults: core.defaults[kind], create: core.onCreate[kind], update: core.onUpdate[kind] }
    case 'apps':
      return { defaults: apps.defaults[kind] }
    case 'batch':
      return { defaults: batch.defaults[kind], create: batch.onCreate[kind] }
    default:
      return { defaults: others[group]?.[kind] }
  }
}
