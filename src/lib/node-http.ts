import type * as http from 'node:http'
import type * as https from 'node:https'

/**
 * `node:http`. Only its types may be imported the usual way: an `import` of the module itself makes Node read each of its exports,
 * WebSocket among them, which loads undici: 7 MB and 40 ms CPU a process that nothing here needs (docs/notes/performance.md).
 */
export function nodeHttp(): typeof http {
  return process.getBuiltinModule('node:http')
}

/** `node:https`, loaded when it is first used: TLS costs 3 MB. */
export function nodeHttps(): typeof https {
  return process.getBuiltinModule('node:https')
}
