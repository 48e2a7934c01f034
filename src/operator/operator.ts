import type { KubeObject, ResourceType } from '#kube'
import { CuddleError, deferred, errorMessage, silentLogger, systemClock } from '#lib'
import { Cache, type Change } from './cache.ts'
import { EventRecorder } from './events.ts'
import { campaign } from './lease.ts'
import { inactivityMs, Reflector } from './reflector.ts'
import { Runner } from './runner.ts'
import { createLister, kindKey } from './store.ts'
import type { Operator, OperatorOptions } from './types.ts'

interface Kind {
  cache: Cache<any>
  reflector: Reflector<any>
  listeners: ((change: Change<any>) => void)[]
}

/** How long passes may go on after the signal has aborted, and how long the writing of Events. */
const drainMs = 10_000
const flushMs = 2_000

/**
 * Runs controllers until the signal aborts: one cache per kind that any of them declares, filled from the start, and
 * one queue per controller, opened when every cache has synced and we lead. See the Controller type for the whole life.
 */
export function startOperator(options: OperatorOptions): Operator {
  const { kube, controllers, signal, clock = systemClock, log = silentLogger } = options
  assertUniqueNames(controllers)
  const kinds = new Map<string, Kind>()
  const lister = createLister((type) => {
    const kind = kinds.get(kindKey(type))
    if (kind) return kind.cache.store
    throw new CuddleError('undeclared-kind', `no controller declares ${type.kind}, so it is not cached`, {
      hint: `add it to the controller's reads, or read it live with axn.kube`,
    })
  })
  const recorder = new EventRecorder({ kube, clock, log })
  const cacheOf = (type: ResourceType<any>) => kinds.get(kindKey(type))?.cache
  const runners = controllers.map(
    (controller) => new Runner({ controller, kube, clock, log, lister, cacheOf, recorder }),
  )
  for (const runner of runners) {
    for (const { type, hear } of runner.listeners()) kindOf(type).listeners.push(hear)
    for (const type of runner.controller.options.reads ?? []) kindOf(type)
  }

  function kindOf(type: ResourceType<any>): Kind {
    const known = kinds.get(kindKey(type))
    if (known) return known
    const listeners: Kind['listeners'] = []
    const cache = new Cache<KubeObject>({
      type,
      transform: options.transform,
      freeze: options.freeze,
      onChange(change) {
        for (const hear of listeners) {
          // filters and maps are users' code: a fault there must not stop the stream
          try {
            hear(change)
          } catch (error) {
            log.error(
              { kind: type.kind, stack: (error as Error)?.stack },
              `a filter or map failed: ${errorMessage(error)}`,
            )
          }
        }
      },
    })
    const namespace = type.namespaced ? options.namespace : undefined
    const reflector = new Reflector({
      kube,
      type,
      cache,
      clock,
      log,
      signal,
      namespace,
      maxRetryMs: options.maxRetryMs,
    })
    const kind = { cache, reflector, listeners }
    kinds.set(kindKey(type), kind)
    return kind
  }

  const ready = deferred<void>()
  // who waits for it is told; who does not must not fall over it
  ready.promise.catch(() => {})
  const reflecting = [...kinds.values()].map(({ reflector }) => reflector.run())
  const synced = Promise.all([...kinds.values()].map(({ reflector }) => reflector.synced))
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

  async function work(leading: AbortSignal): Promise<void> {
    if (leading.aborted) return
    for (const runner of runners) runner.start()
    ready.resolve()
    await new Promise<void>((resolve) => leading.addEventListener('abort', () => resolve(), { once: true }))
    // who lost the lease to another must be silent before that one speaks; who was asked to stop may finish
    await Promise.all(runners.map((runner) => runner.stop(signal.aborted ? drainMs : 0)))
    const enough = new AbortController()
    await Promise.race([recorder.flush(), clock.sleep(flushMs, enough.signal)])
    enough.abort()
  }

  async function live(): Promise<void> {
    await Promise.race([synced, aborted])
    const { lease } = options
    if (!signal.aborted) await (lease ? campaign({ kube, clock, log, ...lease }, signal, work) : work(signal))
    ready.reject(new CuddleError('stopped', 'the operator was stopped before it was ready'))
    await Promise.all(reflecting)
    for (const runner of runners) runner.queue.close()
  }

  return {
    ready: ready.promise,
    stopped: live(),
    lister,
    health() {
      const reflectors = [...kinds].map(([name, { reflector }]) => [name, reflector.state()] as const)
      return {
        ready: reflectors.every(([, { synced }]) => synced),
        live: reflectors.every(([, { lastSeen }]) => lastSeen < 2 * inactivityMs),
        reflectors: Object.fromEntries(reflectors),
        queues: Object.fromEntries(runners.map(({ controller, queue }) => [controller.name, queue.depth])),
      }
    },
  }
}

function assertUniqueNames(controllers: OperatorOptions['controllers']): void {
  const names = new Set<string>()
  for (const { name } of controllers) {
    if (names.has(name)) throw new CuddleError('duplicate-controller', `two controllers are named ${name}`)
    names.add(name)
  }
}
