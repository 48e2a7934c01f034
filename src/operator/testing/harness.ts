import type { TestContext } from 'node:test'
import { createKube, httpTransport, type KubeObject, type ResourceType } from '#kube'
import { silentLogger } from '#lib'
import { FakeClock, until } from '#lib/testing'
import { type Controller, type OperatorOptions, startOperator } from '../index.ts'
import { MockApiServer } from './mock-api-server.ts'

export interface Greeting extends KubeObject {
  spec: { message: string; copies?: number }
  status?: Record<string, any>
}

export const Greeting: ResourceType<Greeting> = {
  group: 'x.io',
  version: 'v1',
  kind: 'Greeting',
  plural: 'greetings',
  namespaced: true,
}

/** A Greeting named `name` in `default`, as a client sends it. */
export function greeting(message: string, name = 'hello', spec: object = {}) {
  return { metadata: { name, namespace: 'default' }, spec: { message, ...spec } }
}

/** An operator on a mock API server, over a real socket; both end with the test. */
export async function start(
  t: TestContext,
  controllers: Controller<any>[],
  { server, ...options }: Partial<OperatorOptions> & { server?: MockApiServer } = {},
) {
  server ??= await MockApiServer.start(t)
  const kube = createKube(httpTransport({ server: server.url, namespace: 'default' }))
  const stop = new AbortController()
  const operator = startOperator({ kube, controllers, signal: stop.signal, log: silentLogger, ...options })
  t.after(async () => {
    stop.abort()
    await operator.stopped
    kube.close()
  })
  return { server, kube, operator, stop }
}

/** Lets time pass, a second at a time, until `probe` holds. */
export function passing<T>(clock: FakeClock, probe: () => T, stepMs = 1000): Promise<NonNullable<T>> {
  return until(async () => {
    const value = probe()
    if (!value) await clock.advance(stepMs)
    return value
  })
}

/** The writes that the server has seen, Events aside. */
export function writes(server: MockApiServer): { method: string; path: string }[] {
  return server.requests
    .filter(({ method, path }) => method !== 'GET' && !path.includes('/events') && !path.includes('/leases'))
    .map(({ method, path }) => ({ method, path }))
}

export { FakeClock, MockApiServer, until }
