import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError } from '#lib'
import { readText } from './checkout.ts'
import { type BuildContext, failed, missingTool, runIn } from './context.ts'
import { releaseIdentity, releaseLayers } from './release-layers.ts'
import type { RunResult } from './run.ts'
import type { Built, LayerPlan } from './types.ts'

/**
 * `mix release` of the whole project, from what an earlier build left compiled. A project without `releases:` gets the
 * release that Mix makes of its one application.
 */
export async function buildElixir(context: BuildContext): Promise<Built> {
  await context.step('release', () => mixRelease(context))
  return elixirRelease(context, 'cold')
}

/**
 * What follows from an assembled release, whoever assembled it.
 * @param stable see releaseLayers
 */
export function elixirRelease(context: BuildContext, mode: Built['mode'], stable?: readonly LayerPlan[]): Built {
  const { workspace } = context
  const identity = releaseIdentity(workspace.release, (path) => readText(workspace.release, path))
  if (!identity) throw new CuddleError('build-failed', 'mix release left no release behind')
  // Mix makes a new random cookie for each clean build: no two builds would be alike, and two pods of one rollout
  // could not talk. The node gets its cookie from $RELEASE_COOKIE; the script only wants the file to be there.
  writeFileSync(join(workspace.release, 'releases', 'COOKIE'), 'given-by-RELEASE_COOKIE')
  return {
    runtime: 'beam',
    processes: { web: `bin/${identity.name} start` },
    layers: releaseLayers(workspace.release, ownApplications(context), stable),
    mode,
  }
}

async function mixRelease(context: BuildContext): Promise<void> {
  const { workspace, write } = context
  rmSync(workspace.release, { recursive: true, force: true })
  await context.settle([...context.listing.keys()])
  const release = () =>
    mix(context, ['do', 'compile,', 'release', '--no-compile', '--overwrite', '--quiet', '--path', workspace.release])
  let result = await release()
  if (result.code !== 0 && wantsDependencies(result)) {
    write('-----> Fetching dependencies')
    if (result.tail.some((line) => /could not find hex|needed to build dependency/i.test(line))) {
      const hex = await mix(context, ['local.hex', '--force', '--if-missing'])
      if (hex.code !== 0) throw noDependencies(context, hex)
    }
    const fetched = await mix(context, ['deps.get', '--only', 'prod'])
    if (fetched.code !== 0) throw noDependencies(context, fetched)
    result = await release()
  }
  if (result.code === 0) return
  if (result.tail.some((line) => /umbrella/.test(line) && /release/.test(line))) {
    throw failed(
      context,
      'mix release',
      result,
      'an umbrella says in its mix.exs which applications a release holds: releases: [shop: [applications: [shop_web: :permanent]]]',
    )
  }
  throw failed(context, 'mix release', result)
}

function wantsDependencies(result: RunResult): boolean {
  return result.tail.some((line) =>
    /mix deps\.get|unchecked dependencies|could not find hex|can't continue due to errors on dependencies/i.test(line),
  )
}

function noDependencies(context: BuildContext, result: RunResult): CuddleError {
  return failed(
    context,
    'mix deps.get',
    result,
    'the dependencies cannot be fetched from here: commit them below deps/, or use {:name, path: "vendor/name"} in mix.exs',
  )
}

async function mix(context: BuildContext, args: string[]): Promise<RunResult> {
  try {
    return await runIn(context, 'mix', args, { quiet: (line) => line.startsWith('* skipping') })
  } catch (error) {
    if (error instanceof CuddleError && error.code === 'tool-missing')
      throw missingTool('elixir (mix)', 'elixir erlang-dev')
    throw error
  }
}

/** The applications whose source is here: the project's, or those of an umbrella. */
export function ownApplications(context: Pick<BuildContext, 'workspace' | 'listing'>): string[] {
  const own: string[] = []
  for (const path of context.listing.keys()) {
    if (path !== 'mix.exs' && !/^apps\/[^/]+\/mix\.exs$/.test(path)) continue
    const name = /\bapp:\s*:([a-z][a-z0-9_]*)/.exec(readText(context.workspace.src, path) ?? '')?.[1]
    if (name) own.push(name)
  }
  return own
}
