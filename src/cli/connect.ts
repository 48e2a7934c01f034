import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { createKube, httpTransport, loadKubeConfig } from '#kube'
import { CuddleError, systemClock } from '#lib'
import type { Context } from '#platform'
import type { Invocation } from './command.ts'
import { livePid, paths, readConfig } from './home.ts'

/** Connects a verb to the cluster of this home: its own, or the one that `cuddle up --kubeconfig` named, as its user. */
export function connect(invocation: Invocation): Context {
  const { home } = invocation
  const cluster = readConfig(home)?.cluster
  const path = cluster?.kubeconfig ?? paths(home).kubeconfig
  if (!cluster && !existsSync(path)) throw notRunning(home)
  const context = cluster?.context
  const kube = createKube(httpTransport(loadKubeConfig({ path, ...(context && { context }) })), { userAgent: 'cuddle' })
  return { kube, clock: systemClock, user: invocation.env.CUDDLE_USER || userInfo().username }
}

/** The one error for a cluster that does not answer. */
export function notRunning(home: string, cause?: unknown): CuddleError {
  const cluster = readConfig(home)?.cluster
  if (cluster) {
    const hint = `is it up, and can it be reached from here? kubectl --kubeconfig ${cluster.kubeconfig} version`
    return new CuddleError('unreachable', `the cluster of ${cluster.kubeconfig} does not answer`, { hint, cause })
  }
  if (livePid(paths(home).supervisorPid, home) !== undefined) {
    const hint = 'it starts, or starts again after a failure: try again in a moment; cuddle status'
    return new CuddleError('unreachable', `the cluster of ${home} does not answer yet`, { hint, cause })
  }
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
