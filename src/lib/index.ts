export { type BackoffOptions, backoffDelay, retry } from './backoff.ts'
export { type Clock, rfc3339, rfc3339Micro, systemClock } from './clock.ts'
export { formatDuration, humanAge, parseDuration } from './duration.ts'
export { CuddleError, type CuddleErrorInit, errorMessage } from './errors.ts'
export { type ExecOptions, type ExecResult, exec } from './exec.ts'
export { writeFileAtomic } from './files.ts'
export { randomSuffix, sha256, shortHash } from './hash.ts'
export { clone, equal, isObject, type JsonObject, type JsonValue, stableStringify } from './json.ts'
export { LineSplitter, readLines } from './lines.ts'
export { createLogger, type Logger, silentLogger } from './log.ts'
export { deferred, KeyedMutex, loop } from './loop.ts'
export { nodeHttp, nodeHttps } from './node-http.ts'
export { formatBytes, formatCpu, parseQuantity } from './quantity.ts'
export { suggest } from './suggest.ts'
export type { WebSocketMessage, WebSocketPeer } from './websocket.ts'

/** Certificates, loaded when the first one is issued. */
export const x509 = () => import('./x509/index.ts')
export type { Issued, Subject } from './x509/index.ts'

/** WebSockets, loaded when the first one is opened. */
export const webSockets = () => import('./websocket.ts')
