import { rmSync } from 'node:fs'
import { CuddleError, formatDuration, KeyedMutex } from '#lib'
import { checkOut, readText, removeLeftovers } from './checkout.ts'
import type { BuildContext } from './context.ts'
import { deliver } from './deliver.ts'
import { detect } from './detect.ts'
import { buildElixir } from './elixir.ts'
import { buildErlang } from './erlang.ts'
import { buildImage, type LayerMemory } from './image.ts'
import { buildNode } from './node.ts'
import { buildProcfile } from './procfile.ts'
import { type Checkout, stamp } from './quick-checkout.ts'
import { createResidents } from './residents.ts'
import { settleTimes } from './settle-times.ts'
import type { Builder, BuilderOptions, BuildKind, BuildRequest, BuildResult, Built } from './types.ts'
import { buildEnvironment, openWorkspace } from './workspace.ts'

const cold: Record<BuildKind, (context: BuildContext) => Promise<Built>> = {
  elixir: buildElixir,
  erlang: buildErlang,
  node: buildNode,
  procfile: buildProcfile,
}

/** Files at the root that say how an app is run; src/spec reads them. */
const specFiles = ['cuddle.yaml', 'cuddle.yml', 'Procfile', 'app.json']

/** The builder: source to image, with caches per app and, for Elixir, a compiler that stays. */
export function createBuilder(options: BuilderOptions): Builder {
  const { home, layout, clock, log, hostEnv, delivery } = options
  const limits = { timeoutMs: 15 * 60_000, memoryBytes: 2 * 2 ** 30, ...options.limits }
  const turns = new KeyedMutex()
  const memories = new Map<string, LayerMemory>()
  const checkouts = new Map<string, Checkout>()
  const basis = delivery && import('./base/base.ts').then(({ createBase }) => createBase(hostEnv.PATH))
  const residents = createResidents(options.resident ?? {}, { clock, log })

  async function build(request: BuildRequest): Promise<BuildResult> {
    const { app, write, signal } = request
    const workspace = openWorkspace(home, app)
    const timings: Record<string, number> = {}
    const started = clock.monotonic()
    const step: BuildContext['step'] = async (name, work) => {
      const from = clock.monotonic()
      try {
        return await work()
      } finally {
        timings[name] = (timings[name] ?? 0) + clock.monotonic() - from
      }
    }
    const env = buildEnvironment(workspace, hostEnv.PATH, request.buildEnv)
    const resident = await residents.ready(app, env)
    let checkout: Checkout
    try {
      const before = checkouts.get(app)
      // What a checkout that breaks off leaves is anything.
      checkouts.delete(app)
      checkout = await step('checkout', () => checkOut(workspace, request.source, hostEnv.PATH, before, signal))
      removeLeftovers(workspace.src, checkout.listing)
      checkouts.set(app, checkout)
    } catch (error) {
      await residents.end(app)
      throw error
    }
    const { listing, stamps } = checkout
    const settle = async (paths: readonly string[]) => {
      await settleTimes(workspace.src, paths, clock)
      stamp(workspace.src, stamps, paths)
    }
    const { kind, reason, title } = detect(listing)
    write(`-----> ${title} app detected (${reason})`)
    const context: BuildContext = { app, workspace, listing, env, limits, clock, log, write, signal, settle, step }
    let built = kind === 'elixir' ? await resident?.build(context) : undefined
    if (signal?.aborted) throw new CuddleError('build-cancelled', 'the build was cancelled')
    if (!built) {
      await residents.end(app)
      built = await cold[kind](context)
    }
    const memory = memories.get(app) ?? new Map()
    memories.set(app, memory)
    const { web } = built.processes
    const { layers } = built
    const image = await step('image', async () => {
      const base = await basis
      const below = base ? await base.below(kind, layers) : []
      const config = { cmd: web ? ['/bin/sh', '-c', `exec ${web}`] : undefined, env: base?.environment }
      return buildImage(layout, app, [...below, ...layers], memory, config, signal)
    })
    timings.total = clock.monotonic() - started
    const reused = image.layers.filter((layer) => layer.reused).length
    write(
      `-----> Image ${image.digest.slice(0, 19)} (${image.layers.length === 1 ? '1 layer' : `${image.layers.length} layers`}, ${reused} unchanged, ${formatDuration(timings.total)})`,
    )
    if (kind === 'elixir' && built.mode === 'cold') residents.start(context, built)
    const reference = delivery
      ? await step('push', () => deliver(delivery, layout, app, image.digest, { clock, write, signal }))
      : `cuddle.local/${app}@${image.digest}`
    return {
      digest: image.digest,
      image: reference,
      kind,
      reason,
      runtime: built.runtime,
      processes: built.processes,
      files: Object.fromEntries(
        specFiles.flatMap((name) => {
          const text = readText(workspace.src, name)
          return text === undefined ? [] : [[name, text]]
        }),
      ),
      timings,
      layers: image.layers.map(({ name, digest, size, reused }) => ({ name, digest, size, reused })),
      written: image.written,
      mode: built.mode,
    }
  }

  return {
    build(request) {
      if (turns.busy(request.app)) request.write(`-----> Another build of ${request.app} is running; waiting for it`)
      return turns.run(request.app, () => {
        if (request.signal?.aborted) throw new CuddleError('build-cancelled', 'the build was cancelled')
        return build(request)
      })
    },
    forget(app) {
      return turns.run(app, async () => {
        await residents.end(app)
        memories.delete(app)
        checkouts.delete(app)
        rmSync(openWorkspace(home, app).root, { recursive: true, force: true, maxRetries: 5 })
      })
    },
    residents: () => residents.pids(),
    close: () => residents.close(),
  }
}
