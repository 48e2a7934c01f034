import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError } from '#lib'
import { readText } from './checkout.ts'
import { type BuildContext, failed, missingTool, runIn } from './context.ts'
import { releaseIdentity, releaseLayers } from './release-layers.ts'
import type { Built } from './types.ts'

/** `rebar3 as prod release`, with a release of the one application where rebar.config describes none. */
export async function buildErlang(context: BuildContext): Promise<Built> {
  const { workspace } = context
  const own = ownApplications(context)
  await context.step('release', async () => {
    rmSync(workspace.release, { recursive: true, force: true })
    const out = join(workspace.root, 'rel')
    rmSync(out, { recursive: true, force: true })
    const config = readText(workspace.src, 'rebar.config') ?? ''
    const env: Record<string, string> = {}
    if (!/^\s*\{\s*relx\s*,/m.test(config)) env.REBAR_CONFIG = writeConfig(context, config, own)
    const args = ['as', 'prod', 'release', '--dev-mode', 'false', '--include-erts', 'true', '--output-dir', out]
    const result = await rebar(context, args, env)
    if (result.code !== 0) {
      const offline = result.tail.some((line) =>
        /failed to fetch|hex\.pm|could not (resolve|connect)|unable to access/i.test(line),
      )
      throw failed(
        context,
        'rebar3 release',
        result,
        offline ? 'the dependencies cannot be fetched from here: commit them below _checkouts/' : undefined,
      )
    }
    // The output holds one folder per release; the first by name is the app's.
    const [name] = readdirSync(out).sort()
    renameSync(join(out, name), workspace.release)
  })
  const identity = releaseIdentity(workspace.release, (path) => readText(workspace.release, path))
  if (!identity) throw new CuddleError('build-failed', 'rebar3 left no release behind')
  return {
    runtime: 'beam',
    processes: { web: `bin/${identity.name} foreground` },
    layers: releaseLayers(workspace.release, own),
    mode: 'cold',
  }
}

/** The project's configuration with a release added; a copy, so that the source stays what was pushed. */
function writeConfig(context: BuildContext, config: string, own: string[]): string {
  if (own.length === 0) {
    throw new CuddleError(
      'build-failed',
      'rebar.config describes no release and there is no src/*.app.src to make one of',
    )
  }
  const file = join(context.workspace.root, 'rebar.config')
  mkdirSync(context.workspace.root, { recursive: true })
  writeFileSync(
    file,
    `${config}\n{relx, [{release, {${own[0]}, "1"}, [${[...own, 'sasl'].join(', ')}]}, {mode, prod}]}.\n`,
  )
  return file
}

async function rebar(context: BuildContext, args: string[], env: Record<string, string>) {
  try {
    return await runIn(context, 'rebar3', args, {
      env,
      quiet: (line) =>
        /No entry for profile prod|Can not upgrade|Warnings generating release|successfully assembled/.test(line),
    })
  } catch (error) {
    if (error instanceof CuddleError && error.code === 'tool-missing') throw missingTool('rebar3', 'rebar3 erlang')
    throw error
  }
}

function ownApplications({ listing }: BuildContext): string[] {
  return [...listing.keys()].flatMap(
    (path) => /^(?:(?:apps|lib)\/[^/]+\/)?src\/([a-z][a-z0-9_@]*)\.app\.src(?:\.script)?$/.exec(path)?.[1] ?? [],
  )
}
