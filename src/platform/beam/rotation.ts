import { randomBytes } from 'node:crypto'
import { type Kube, Pod, Secret } from '#kube'
import { type Clock, CuddleError, errorMessage, type Logger } from '#lib'
import { cookieName } from '#manifests'
import { type Controller, controller } from '#operator'
import type { Context } from '../context.ts'
import { App, type AppObject } from '../kinds.ts'
import { getApp } from '../releases.ts'
import { cookieIn, cookieKeys, dial } from './cookie.ts'
import { recordEvent } from './events.ts'
import { beamNodeLabel, beamPod } from './nodes.ts'

/** On an App: a rotation that is wanted, by any name of its own; gone when it is done. */
const requestAnnotation = 'cuddle.dev/rotate-cookie'
/** On an App: how far it is, for people. */
const progressAnnotation = 'cuddle.dev/cookie-rotation'
/** On the Secret: the last rotation that was completed. */
const rotatedAnnotation = 'cuddle.dev/rotated'

const ourName = 'rem-cuddle-cookie@127.0.0.1'
const connectMs = 3_000
const retryMs = 1_000

/**
 * Rotates cookies of BEAM clusters with no restart. Old and new are both in the Secret from before the first node has the
 * new one, and whoever of us connects tries both, so a platform that is killed goes on wherever it was:
 *
 * 1. `next` is written to the Secret
 * 2. every running node is given it, over distribution; connections between nodes stay as they are
 * 3. `cookie` becomes `next`, and `previous` what it was: nodes that start from now on begin with the new one
 * 4. nodes that were starting meanwhile are given it when anyone of us meets them (see `dial`)
 */
export function rotationController({ log }: { log: Logger }): Controller<AppObject> {
  return controller(App, {
    name: 'cuddle-cookie',
    writes: [App, Secret],
    filter: ({ metadata }) => metadata.annotations?.[requestAnnotation] !== undefined,
  }).step('rotate', async (axn) => {
    const request = axn.object.metadata.annotations?.[requestAnnotation]
    if (request === undefined || axn.deleting) return axn
    const { kube, clock, name: app } = axn
    const outcome = await rotate({ kube, clock, app, request })
    const done = outcome.waitsFor.length === 0
    const message = done
      ? `${count(outcome.nodes)} took the new cookie`
      : `${outcome.nodes} of ${count(outcome.nodes + outcome.waitsFor.length)} took the new cookie; ${outcome.waitsFor[0]}`
    if (done) {
      log.info({ app }, `cookie rotated: ${message}`)
      const event = { type: 'Normal', reason: 'BeamCookieRotated', message } as const
      await recordEvent(kube, clock, app, event).catch(() => {})
    }
    const annotations = { [progressAnnotation]: message, ...(done ? { [requestAnnotation]: null } : {}) }
    const next = axn.patch({ type: App, name: app }, { metadata: { annotations } })
    return done ? next : next.requeueAfter(retryMs)
  })
}

const count = (nodes: number) => `${nodes} node${nodes === 1 ? '' : 's'}`

interface Rotation {
  kube: Kube
  clock: Clock
  app: string
  request: string
}

async function rotate({ kube, clock, app, request }: Rotation): Promise<{ nodes: number; waitsFor: string[] }> {
  const name = cookieName(app)
  const secret = await kube.get(Secret, name, app)
  const { resourceVersion, annotations } = secret.metadata
  const change = (data: Record<string, string | null>, more: object = {}) => {
    const encoded = Object.entries(data).map(([key, value]) => [key, value && Buffer.from(value).toString('base64')])
    const patch = { metadata: { resourceVersion, ...more }, data: Object.fromEntries(encoded) }
    return kube.patch(Secret, { name, namespace: app }, patch)
  }
  if (annotations?.[rotatedAnnotation] === request) return giveToAll(kube, clock, app)
  const next = cookieIn(secret, cookieKeys.next)
  if (next === undefined) {
    await change({ [cookieKeys.next]: randomBytes(24).toString('hex') })
    return rotate({ kube, clock, app, request })
  }
  const given = await giveToAll(kube, clock, app)
  if (given.waitsFor.length > 0) return given
  await change(
    {
      [cookieKeys.current]: next,
      [cookieKeys.previous]: cookieIn(secret, cookieKeys.current)!,
      [cookieKeys.next]: null,
    },
    { annotations: { [rotatedAnnotation]: request } },
  )
  return giveToAll(kube, clock, app)
}

/** Meets every running node: whoever does so gives it the cookie that it should have. */
async function giveToAll(kube: Kube, clock: Clock, app: string): Promise<{ nodes: number; waitsFor: string[] }> {
  const { items } = await kube.listAll(Pod, { namespace: app, labelSelector: beamNodeLabel })
  const pods = items.flatMap((pod) => beamPod(pod) ?? [])
  const failures = await Promise.all(
    pods.map(async (pod) => {
      try {
        const node = await dial(kube, pod, { ourName, clock, timeoutMs: connectMs })
        node.close()
        return []
      } catch (error) {
        return [`waiting for pod ${pod.pod}: ${errorMessage(error)}`]
      }
    }),
  )
  const waitsFor = failures.flat().sort()
  return { nodes: pods.length - waitsFor.length, waitsFor }
}

/**
 * Asks for a new cookie, and waits until every node has it; the platform does the work, and goes on without us.
 * @returns what was done, in words
 * @throws CuddleError `no-cookie`, `interrupted`
 */
export async function rotateCookie(
  context: Context,
  app: string,
  { progress, signal }: { progress?: (message: string) => void; signal?: AbortSignal } = {},
): Promise<string> {
  const { kube, clock } = context
  await getApp(context, app)
  if (!(await kube.find(Secret, cookieName(app), app))) {
    throw new CuddleError('no-cookie', `${app} has no cookie of the platform's making`, {
      hint: 'it takes beam: {cluster: true} in cuddle.yaml; a cookie in a config var is changed with cuddle config:set',
    })
  }
  const request = randomBytes(6).toString('hex')
  const annotations = { [requestAnnotation]: request, [progressAnnotation]: null }
  await kube.patch(App, { name: app }, { metadata: { annotations } })
  for (let said: string | undefined; !signal?.aborted; await clock.sleep(100, signal)) {
    const found = (await kube.get(App, app)).metadata.annotations ?? {}
    const message = found[progressAnnotation]
    if (found[requestAnnotation] !== request) return message ?? 'done'
    if (message !== undefined && message !== said) progress?.((said = message))
  }
  throw new CuddleError('interrupted', `stopped watching; the platform goes on rotating the cookie of ${app}`, {
    hint: `kubectl get app ${app} -o yaml shows ${progressAnnotation}`,
  })
}
