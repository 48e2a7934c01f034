import type { KubeObject } from '#kube'
import { CuddleError } from '#lib'
import { configSecret, diff, type ObjectDiff } from '#manifests'
import { type Context, readSettings } from './context.ts'
import type { ReleaseObject } from './kinds.ts'
import { currentRelease, getApp, releaseConfig } from './releases.ts'
import { effectiveObjects, scaleByHand } from './scale.ts'
import { nextRelease } from './start-release.ts'

/** The objects of the current release as they are applied, with the config Secret when `secrets` says so. */
export async function exportObjects(
  context: Context,
  appName: string,
  options: { secrets?: boolean } = {},
): Promise<{ release: ReleaseObject; objects: KubeObject[] }> {
  const app = await getApp(context, appName)
  const release = await currentRelease(context, app)
  if (!release?.spec.image)
    throw new CuddleError('not-deployed', `${appName} has not been deployed yet, so there is nothing to export`, {
      hint: 'git push cuddle main',
    })
  const objects = effectiveObjects(release.spec, app.spec)
  if (!release.spec.configSecret) return { release, objects }
  const config = await releaseConfig(context, release)
  const shown = options.secrets ? config : Object.fromEntries(Object.keys(config).map((key) => [key, '']))
  const secret = configSecret({ app: appName, namespace: appName, release: release.spec.number, config: shown })
  if (!secret) return { release, objects }
  secret.metadata.name = release.spec.configSecret
  return { release, objects: [...objects, secret] }
}

/**
 * What a deploy of these spec files would change, with the image and config of now: nothing is written.
 * @param files cuddle.yaml, Procfile, app.json as far as they exist
 */
export async function planApp(
  context: Context,
  appName: string,
  files: Record<string, string>,
): Promise<{ diffs: ObjectDiff[]; warnings: string[] }> {
  const app = await getApp(context, appName)
  const current = await currentRelease(context, app)
  const kind = (current?.spec.kind ?? 'procfile') as 'elixir' | 'erlang' | 'node' | 'procfile'
  const before =
    (current?.spec.spec as { processes?: Record<string, { command?: string }> } | undefined)?.processes ?? {}
  const detected = Object.fromEntries(
    Object.entries(before).flatMap(([name, process]) => (process.command ? [[name, process.command]] : [])),
  )
  const { resolveSpec } = await import('#spec')
  const resolved = resolveSpec({ files, detected: { kind, processes: detected }, appName })
  if (!resolved.ok) {
    throw new CuddleError('bad-spec', `the app spec of ${appName} has problems`, {
      details: resolved.problems.map(
        (problem) =>
          `${problem.file}:${problem.line}:${problem.column}: ${problem.message}${problem.hint ? ` (${problem.hint})` : ''}`,
      ),
    })
  }
  const settings = await readSettings(context.kube)
  const config = await releaseConfig(context, current)
  const number = current?.spec.number ?? 1
  const image = current?.spec.image
    ? undefined
    : { ref: `cuddle.local/${appName}@sha256:${'0'.repeat(64)}`, kind, runtime: 'generic' as const }
  const next = nextRelease(
    current?.spec,
    { cause: { kind: 'deploy', message: 'plan' }, spec: resolved.spec, image },
    {
      app: appName,
      number,
      user: context.user,
      config,
      scale: scaleByHand(app.spec),
      settings,
    },
  )
  const now = current?.spec.image ? effectiveObjects(current.spec, app.spec) : []
  const after = effectiveObjects(next.spec, app.spec)
  return {
    diffs: diff(now, after),
    warnings: resolved.warnings.map((warning) => `${warning.file}:${warning.line}: ${warning.message}`),
  }
}
