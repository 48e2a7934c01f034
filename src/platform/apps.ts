import { isAlreadyExists, Namespace } from '#kube'
import { CuddleError } from '#lib'
import { autoscaled, namespace as namespaceObject, scaleOf } from '#manifests'
import type { AppSpec, Scale } from '#spec'
import type { Context } from './context.ts'
import { App, type AppObject, apiVersion, labels } from './kinds.ts'
import { currentRelease, getApp } from './releases.ts'
import { effectiveObjects } from './scale.ts'
import { startRelease } from './start-release.ts'

/**
 * Makes an app with its namespace.
 * @throws CuddleError `bad-name`, `app-exists`, or `name-taken` when a namespace of that name is somebody else's
 */
export async function createApp(context: Context, name: string): Promise<AppObject> {
  const { validAppName } = await import('#spec')
  const problem = validAppName(name)
  if (problem)
    throw new CuddleError('bad-name', problem.message, {
      hint: problem.hint ?? 'try a name like my-app: lower-case letters, digits and -',
    })
  const exists = (cause?: unknown) =>
    new CuddleError('app-exists', `an app called "${name}" exists already`, {
      hint: `choose another name, or cuddle create ${name} --connect to push to that one from here`,
      cause,
    })
  if (await context.kube.find(App, name)) throw exists()
  const found = await context.kube.find(Namespace, name)
  if (found && found.metadata.labels?.[labels.app] !== name) {
    throw new CuddleError('name-taken', `namespace "${name}" exists on this cluster and is not an app's`, {
      hint: 'choose another name',
    })
  }
  if (found?.metadata.deletionTimestamp) {
    throw new CuddleError('name-taken', `the app "${name}" is still being destroyed`, { hint: 'try again in a moment' })
  }
  await context.kube.apply(Namespace, namespaceObject({ app: name, namespace: name, release: 0 }), {
    fieldManager: 'cuddle',
  })
  try {
    const app = await context.kube.create(App, {
      apiVersion,
      kind: 'App',
      metadata: { name, labels: { [labels.app]: name } },
      spec: {},
    })
    await startRelease(context, name, { cause: { kind: 'create', message: 'Initial release' } })
    return app
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    throw exists(error)
  }
}

/** Destroys an app and everything in its namespace, and waits until it is gone. */
export async function destroyApp(context: Context, name: string, signal?: AbortSignal): Promise<void> {
  await getApp(context, name)
  await context.kube.delete(App, name)
  while (!signal?.aborted && (await context.kube.find(App, name))) await context.clock.sleep(50, signal)
}

/** All apps, by name. */
export async function listApps(context: Context): Promise<AppObject[]> {
  const { items } = await context.kube.listAll(App)
  return items.sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
}

/**
 * Sets replicas per process: a number, or a range that an autoscaler moves in.
 * @throws CuddleError `no-process` for a process that the current release does not have
 */
export async function scaleApp(context: Context, name: string, scale: Record<string, Scale>): Promise<AppObject> {
  const app = await getApp(context, name)
  const known = await processesOf(context, app)
  for (const process of Object.keys(scale)) {
    if (!known.includes(process)) {
      throw new CuddleError('no-process', `${name} has no process "${process}"`, {
        hint: `it has ${known.join(', ') || 'none yet: deploy first'}`,
      })
    }
  }
  const release = await currentRelease(context, app)
  // Throws for what a release of this scale would throw for: storage that only one pod can hold.
  if (release?.spec.spec)
    for (const process of Object.keys(scale)) scaleOf({ app: name, spec: release.spec.spec as AppSpec, scale }, process)
  const fixed: Record<string, number | null> = {}
  const ranges: Record<string, Scale | null> = {}
  for (const [process, range] of Object.entries(scale)) {
    fixed[process] = autoscaled(range) ? null : range.min
    ranges[process] = autoscaled(range) ? range : null
  }
  return context.kube.patch(App, { name }, { spec: { scale: fixed, autoscale: ranges } })
}

/** Asks for a rolling restart of one process or of all. */
export async function restartApp(context: Context, name: string, process?: string): Promise<AppObject> {
  const app = await getApp(context, name)
  if (process !== undefined) {
    const known = await processesOf(context, app)
    if (!known.includes(process))
      throw new CuddleError('no-process', `${name} has no process "${process}"`, { hint: `it has ${known.join(', ')}` })
  }
  return context.kube.patch(
    App,
    { name },
    { spec: { restarts: { [process ?? '*']: new Date(context.clock.now()).toISOString() } } },
  )
}

/** The process names of the current release. */
export async function processesOf(context: Context, app: AppObject | string): Promise<string[]> {
  return Object.keys(await readScale(context, app))
}

/** How many pods of each process are asked for: a number, or a range as text (`2..10`). */
export async function readScale(
  context: Context,
  nameOrApp: AppObject | string,
): Promise<Record<string, number | string>> {
  const app = typeof nameOrApp === 'string' ? await getApp(context, nameOrApp) : nameOrApp
  const release = await currentRelease(context, app)
  const scale: Record<string, number | string> = {}
  for (const { kind, metadata, spec } of release ? effectiveObjects(release.spec, app.spec) : []) {
    const process = metadata.labels?.[labels.process]
    if (!process) continue
    if (kind === 'Deployment' || kind === 'StatefulSet') scale[process] ??= spec.replicas ?? 1
    if (kind === 'HorizontalPodAutoscaler') scale[process] = `${spec.minReplicas}..${spec.maxReplicas}`
  }
  return scale
}
