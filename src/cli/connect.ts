import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { CuddleError, systemClock } from '#lib'
import type { Context } from '#platform'
import type { Invocation } from './command.ts'
import { paths } from './home.ts'

/** Connects a verb to its cluster: $KUBECONFIG-style `--kubeconfig`, else the embedded one of this home. */
export function connect(invocation: Invocation): Context {
  const path = invocation.values.kubeconfig ?? paths(invocation.home).kubeconfig
  if (!existsSync(path)) throw notRunning(invocation.home)
  const kube = createKube(httpTransport(loadKubeConfig({ path })), { userAgent: 'cuddle' })
  return { kube, clock: systemClock, user: invocation.env.CUDDLE_USER || userInfo().username }
}

/** The one error for a cluster that does not answer. */
export function notRunning(home: string, cause?: unknown): CuddleError {
  return new CuddleError('not-running', `no cluster is running for ${home}`, { hint: 'cuddle up', cause })
}

/** True for the errors of a connection that nobody answers. */
export function isUnreachable(error: unknown): boolean {
  // An error of ours says what is wrong already, whatever caused it.
  if (error instanceof CuddleError) return false
  for (let current: any = error; current; current = current.cause) {
    if (['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(current.code)) return true
    for (const inner of current.errors ?? []) if (isUnreachable(inner)) return true
  }
  return false
}
