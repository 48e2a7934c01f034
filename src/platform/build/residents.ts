import { type Clock, errorMessage, type Logger, stableStringify } from '#lib'
import type { BuildContext } from './context.ts'
import { processTree } from './process-tree.ts'
import { Resident } from './resident.ts'
import type { BuilderOptions, Built } from './types.ts'

/** The compilers that stay: at most one per app, given back when unused or when memory is short. */
export interface Residents {
  /** The app's compiler once it is ready; undefined when there is none, or it was started with other variables. */
  ready(app: string, env: Record<string, string>): Promise<Resident | undefined>
  /** Starts a compiler for what was just built cold, in the background. */
  start(context: BuildContext, built: Built): void
  end(app: string): Promise<void>
  pids(): Map<string, number>
  close(): Promise<void>
}

interface Held {
  starting: Promise<Resident | undefined>
  resident?: Resident
  env: string
  cancelIdle: () => void
  used: number
}

/** From when a compiler is wanted until the memory of all is looked at. */
const memoryCheckMs = 1_000

export function createResidents(
  options: NonNullable<BuilderOptions['resident']>,
  { clock, log }: { clock: Clock; log: Logger },
): Residents {
  const held = new Map<string, Held>()
  const { idleMs = 10 * 60_000, maxTotalMemory = 512 * 2 ** 20 } = options === false ? {} : options
  let closed = false

  async function end(app: string): Promise<void> {
    const entry = held.get(app)
    if (!entry) return
    held.delete(app)
    entry.cancelIdle()
    const resident = await entry.starting
    await resident?.close()
  }

  function touch(app: string, entry: Held): void {
    entry.cancelIdle()
    entry.used = clock.monotonic()
    entry.cancelIdle = clock.after(idleMs, () => void end(app))
  }

  /** Memory is looked at when a compiler was used: an idle one does not grow. */
  function enforceMemory(): void {
    const sizes = [...held].flatMap(([app, entry]) => {
      if (!entry.resident) return []
      const bytes = processTree(entry.resident.pid).reduce((sum, stat) => sum + stat.resident, 0)
      return [{ app, bytes, used: entry.used }]
    })
    let total = sizes.reduce((sum, size) => sum + size.bytes, 0)
    for (const { app, bytes } of sizes.sort((a, b) => a.used - b.used)) {
      if (total <= maxTotalMemory) return
      log.info({ app, bytes }, 'giving a resident compiler back: memory is short')
      total -= bytes
      void end(app)
    }
  }

  return {
    async ready(app, env) {
      const entry = held.get(app)
      if (!entry) return undefined
      const resident = await entry.starting
      if (!resident?.alive || entry.env !== stableStringify(env)) {
        await end(app)
        return undefined
      }
      touch(app, entry)
      // Not while somebody waits for the build.
      clock.after(memoryCheckMs, enforceMemory)
      return resident
    },
    start(context, built) {
      if (options === false || closed || held.has(context.app)) return
      const { app } = context
      const starting = Resident.start(context, built).catch((error) => {
        log.warn({ app, error: errorMessage(error) }, 'no resident compiler')
        return undefined
      })
      const entry: Held = { starting, env: stableStringify(context.env), cancelIdle: () => {}, used: clock.monotonic() }
      held.set(app, entry)
      void starting.then((resident) => {
        entry.resident = resident
        if (held.get(app) !== entry) return
        // On a busy machine it may take long to start: it is unused from now on.
        if (resident) touch(app, entry)
        else void end(app)
        enforceMemory()
      })
    },
    end,
    pids() {
      return new Map(
        [...held].flatMap(([app, { resident }]) => (resident?.alive ? [[app, resident.pid] as const] : [])),
      )
    },
    async close() {
      closed = true
      await Promise.all([...held.keys()].map(end))
    },
  }
}
