import { randomBytes } from 'node:crypto'
import { CuddleError, errorMessage, formatDuration, randomSuffix, rfc3339 } from '#lib'
import type { AppSpec } from '#spec'
import type { Builder, BuildSource } from './build/index.ts'
import { appUrl, type Context, readSettings } from './context.ts'
import { expectLive, followRelease } from './follow.ts'
import type { Ahead } from './hot-release/index.ts'
import { apiVersion, Build, type BuildObject, type Cause, labels, type ReleaseObject } from './kinds.ts'
import { type RolloutChoice, withHot } from './push-options.ts'
import { currentRelease, getApp, releaseConfig } from './releases.ts'
import { startRelease } from './start-release.ts'

export interface DeployRequest {
  app: string
  source: BuildSource
  cause: Omit<Cause, 'user'>
  /** What a commit says of itself; read while its source is built. */
  commit?: Promise<{ author: string; subject: string }>
  /** How it goes live, where that is not the spec's choice. */
  rollout?: RolloutChoice
  /** Looks at what runs meanwhile. */
  ahead?: Ahead
  write: (line: string) => void
  signal?: AbortSignal
}

const buildsKept = 20

/**
 * Source → image → release → live, with progress on `write`. Returns the release that went live.
 * @throws CuddleError when the build, the spec, the release command or the rollout fails; the old release serves on
 */
export async function deploy(context: Context, builder: Builder, request: DeployRequest): Promise<ReleaseObject> {
  const done = request.rollout?.mode === 'rolling' ? undefined : request.ahead?.look(request.app)
  try {
    return await buildAndRelease(context, builder, request)
  } finally {
    done?.()
  }
}

async function buildAndRelease(context: Context, builder: Builder, request: DeployRequest): Promise<ReleaseObject> {
  const { app, write, signal } = request
  const started = context.clock.monotonic()
  const recorded = recordBuild(context, request)
  // Whoever waits for it hears of it.
  recorded.catch(() => {})
  const settle = async (status: Record<string, unknown>) => settleBuild(context, await recorded, status)
  let result: Awaited<ReturnType<Builder['build']>>
  try {
    result = await builder.build({ app, source: request.source, write, signal })
  } catch (error) {
    await settle({ phase: 'Failed', message: errorMessage(error).slice(0, 1000) })
    throw error
  }
  const { resolveSpec } = await import('#spec')
  const resolved = resolveSpec({
    files: result.files,
    detected: { kind: result.kind, processes: result.processes },
    appName: app,
  })
  if (!resolved.ok) {
    await settle({ phase: 'Failed', message: 'the app spec has problems' })
    throw new CuddleError(
      'bad-spec',
      `the app spec of ${app} has ${resolved.problems.length === 1 ? 'a problem' : `${resolved.problems.length} problems`}`,
      {
        details: resolved.problems.map(
          (problem) =>
            `${problem.file}:${problem.line}:${problem.column}: ${problem.message}${problem.hint ? ` (${problem.hint})` : ''}`,
        ),
      },
    )
  }
  for (const warning of resolved.warnings) write(` !     ${warning.file}:${warning.line}: ${warning.message}`)
  const { kind, image, mode, timings } = result
  const build = await recorded
  // Nothing waits for what is only kept for people to look at.
  const settled = settle({ phase: 'Succeeded', kind, image, mode, timings }).catch((error) =>
    write(` !     the record of build ${build.metadata.name} could not be written: ${errorMessage(error)}`),
  )
  const spec = strategies(resolved.spec, result.runtime, request)
  const newConfig = await completeConfig(context, app, spec, write)
  const built = context.clock.monotonic()
  const change = {
    cause: { ...request.cause, author: (await request.commit)?.author },
    image: { ref: result.image, kind: result.kind, runtime: result.runtime, build: build.metadata.name },
    spec,
    newConfig,
    releaseCommand: true,
    rollout: request.rollout,
  }
  const onWait = (number: number) => write(`       waiting for v${number} to end`)
  const created = await startRelease(context, app, change, { onWait, signal })
  await settled
  const { number } = created.spec
  for (const [process, { cpu, memory }] of Object.entries(created.spec.sizes ?? {}))
    write(`       ${process} keeps the size that ps:resize gave it: ${cpu} CPU, ${memory}`)
  write(`-----> Releasing v${number}`)
  const live = await expectLive(context, app, await followRelease(context, app, number, write, signal))
  const now = context.clock.monotonic()
  const settings = await readSettings(context.kube)
  write(
    `-----> v${number} is live after ${formatDuration(now - started)} (build ${formatDuration(built - started)}, rollout ${formatDuration(now - built)})`,
  )
  if (spec.processes.web) write(`       ${appUrl(app, settings)}`)
  return live
}

/** The spec with the strategies that this push asks for, and a word about what cannot be had. */
function strategies(spec: AppSpec, runtime: string, { rollout, write }: DeployRequest): AppSpec {
  const named = Object.entries(spec.processes).flatMap(([name, { strategy }]) => (strategy === 'hot' ? [name] : []))
  if (runtime !== 'beam') {
    if (named.length > 0 || rollout?.mode === 'hot')
      write(' !     only Erlang and Elixir load code into what runs: this app gets new pods')
    return spec
  }
  if (rollout?.mode !== 'hot') return spec
  const { spec: hot, became } = withHot(spec)
  if (became.length > 0) {
    write(` !     -o hot: ${became.join(', ')} becomes hot for this release (a StatefulSet that keeps its pods).`)
    write('       Write `strategy: hot` into cuddle.yaml, or the next push without -o hot turns it back.')
  }
  return hot
}

/** Makes up the config vars that the spec wants generated. @throws CuddleError `missing-config` for those that a person must give */
async function completeConfig(
  context: Context,
  app: string,
  spec: AppSpec,
  write: (line: string) => void,
): Promise<Record<string, string>> {
  const config = await releaseConfig(context, await currentRelease(context, await getApp(context, app)))
  const { missingConfig } = await import('#spec')
  const { generate, prompt } = missingConfig(spec, config)
  if (prompt.length > 0) {
    throw new CuddleError('missing-config', `${app} needs config vars that are not set`, {
      details: prompt.map(({ name, description }) => (description ? `${name}: ${description}` : name)),
      hint: `cuddle config:set -a ${app} ${prompt.map(({ name }) => `${name}=…`).join(' ')}, then push again`,
    })
  }
  if (generate.length > 0) write(`       generated ${generate.join(', ')}`)
  return Object.fromEntries(generate.map((name) => [name, randomBytes(32).toString('base64url')]))
}

async function recordBuild(context: Context, request: DeployRequest): Promise<BuildObject> {
  const { app, cause } = request
  const commit = await request.commit
  const build: BuildObject = {
    apiVersion,
    kind: 'Build',
    metadata: {
      name: `b-${randomSuffix(8)}`,
      namespace: app,
      labels: { [labels.app]: app, 'app.kubernetes.io/managed-by': 'cuddle' },
    },
    spec: { app, commit: cause.commit, author: commit?.author, subject: commit?.subject, user: context.user },
  }
  const created = await context.kube.create(Build, build)
  await settleBuild(context, created, { phase: 'Running', startedAt: rfc3339(context.clock.now()) })
  return created
}

async function settleBuild(context: Context, build: BuildObject, status: Record<string, unknown>): Promise<void> {
  const { name, namespace } = build.metadata
  if (status.phase !== 'Running') status.finishedAt = rfc3339(context.clock.now())
  await context.kube.patch(Build, { name: name!, namespace }, { status }, { subresource: 'status' })
  if (status.phase === 'Running') return
  const { items } = await context.kube.listAll(Build, { namespace })
  const old = items
    .sort((a, b) => (a.metadata.creationTimestamp! < b.metadata.creationTimestamp! ? 1 : -1))
    .slice(buildsKept)
  await Promise.all(old.map((item) => context.kube.delete(Build, item.metadata.name!, namespace)))
}
