import type { Layout } from '#image'
import {
  Deployment,
  EndpointSlice,
  Job,
  type Kube,
  type KubeObject,
  Namespace,
  Pod,
  ReplicaSet,
  StatefulSet,
} from '#kube'
import { rfc3339, shortHash } from '#lib'
import { objectName, prerequisites, releaseJob } from '#manifests'
import { type Axn, type Controller, controller } from '#operator'
import { applyAll, ignoreNotFound, kinds, manager, prune, pruned } from './apply.ts'
import { appUrl, readSettings } from './context.ts'
import { gather, report } from './diagnose.ts'
import {
  type Ahead,
  askForNewPods,
  asksForNewPods,
  hasChanged,
  hotFailure,
  hotRelease,
  wantsHot,
} from './hot-release/index.ts'
import { App, type AppObject, type Failure, type HotStatus, labels, Release, type ReleaseObject } from './kinds.ts'
import { compileInput, isDone, releaseConfig } from './releases.ts'
import { assess, serving, switched, type View } from './rollout.ts'
import { effectiveObjects, isWorkload, scaleByHand } from './scale.ts'
import { movePods } from './stateful/move.ts'
import { readRefusals } from './stateful/refusals.ts'
import { isApplied } from './stateful/shape.ts'
import { steadyTime } from './steady-time.ts'
import { readProbeReplies } from './waiting.ts'

const finalizer = 'cuddle.dev/app'
const kept = 30

interface Images {
  layout?: Layout
  ahead?: Ahead
}

/**
 * Drives every release of an app, one at a time and in order of their numbers, and keeps the current one applied:
 * Pending → Releasing (the release command) → RollingOut → Succeeded, or → RollingBack → Failed.
 * Each step is repeated until its effect is seen, so that a platform killed at any moment goes on where it was.
 */
export function appController(
  options: {
    onDestroyed?: (app: string) => Promise<void>
    /** Where the images of releases are: what code is loaded from. Without it every rollout makes new pods. */
    layout?: Layout
    /** What was looked at of running pods while a release was still being built. */
    ahead?: Ahead
  } = {},
): Controller<AppObject> {
  const ofApp = (object: KubeObject) => {
    const name = object.metadata.labels?.[labels.app]
    return name ? [{ name }] : []
  }
  const time = steadyTime()
  return controller(App, {
    name: 'cuddle-app',
    watches: [Release, Deployment, StatefulSet, ReplicaSet, Pod, EndpointSlice, Job, Namespace].map((type) => ({
      type,
      map: ofApp,
    })),
    writes: kinds,
    rights: [
      ...pruned.map(({ group, plural }) => ({ apiGroups: [group], resources: [plural], verbs: ['list'] })),
      // Reports quote them.
      { apiGroups: [''], resources: ['events'], verbs: ['list'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
      // It replaces those of StatefulSets itself.
      { apiGroups: [''], resources: ['pods'], verbs: ['delete', 'patch'] },
      { apiGroups: [''], resources: ['pods/resize'], verbs: ['patch'] },
      { apiGroups: [Release.group], resources: ['releases'], verbs: ['delete'] },
      { apiGroups: [Release.group], resources: ['releases/status'], verbs: ['patch'] },
    ],
  })
    .finalize(finalizer, (axn) => destroy(axn, options.onDestroyed))
    .step('drive', (axn) => drive(axn, time, options))
    .step('status', status)
}

function releasesOf(axn: Axn<AppObject>): ReleaseObject[] {
  return axn.lister
    .list(Release, { namespace: axn.name })
    .filter((release) => release.spec.app === axn.name && !release.metadata.deletionTimestamp)
    .sort((a, b) => a.spec.number - b.spec.number)
}

function drive(
  axn: Axn<AppObject>,
  time: ReturnType<typeof steadyTime>,
  images: Images,
): Axn<AppObject> | Promise<Axn<AppObject>> {
  const releases = releasesOf(axn)
  const active = releases.find((release) => !isDone(release))
  const current = releases.find((release) => release.spec.number === axn.object.status?.currentRelease)
  if (!active) return keep(axn, current)
  switch (active.status?.phase ?? 'Pending') {
    case 'Pending':
      return begin(axn, active, current, images)
    case 'Releasing':
      return awaitCommand(axn, active, current, images)
    case 'RollingOut':
      return awaitRollout(axn, active, current, time(axn.clock, axn.name, active.metadata.uid!))
    default:
      return rollBack(axn, active, current, time(axn.clock, axn.name, active.metadata.uid!))
  }
}

function setStatus(axn: Axn<AppObject>, release: ReleaseObject, fields: object): Axn<AppObject> {
  const ref = { type: Release, name: release.metadata.name!, namespace: axn.name }
  return axn.patch(ref, { status: fields }, { subresource: 'status' })
}

function begin(
  axn: Axn<AppObject>,
  release: ReleaseObject,
  current: ReleaseObject | undefined,
  images: Images,
): Axn<AppObject> {
  const startedAt = rfc3339(axn.clock.now())
  if (!release.spec.image) return succeed(axn, release, { startedAt })
  const objects = effectiveObjects(release.spec, axn.object.spec)
  if (!release.spec.releaseCommand || !release.spec.spec?.release)
    return goLive(axn, release, current, images, { startedAt })
  return axn.run(`release command of v${release.spec.number}`, async (kube) => {
    await applyAll(kube, prerequisites(objects))
    const config = await releaseConfig({ kube, clock: axn.clock, user: manager }, release)
    const job = releaseJob(compileInput(release.spec, config, {}, await readSettings(kube)))
    if (job) await kube.apply(Job, job, { fieldManager: manager })
    await patchRelease(kube, release, { phase: 'Releasing', startedAt, message: 'running the release command' })
  })
}

/** Loads the code into the running pods where that is wanted and can be done, then applies the release. */
function goLive(
  axn: Axn<AppObject>,
  release: ReleaseObject,
  current: ReleaseObject | undefined,
  images: Images,
  fields: object = {},
): Axn<AppObject> {
  const objects = effectiveObjects(release.spec, axn.object.spec)
  const releases = releasesOf(axn)
  const { layout, ahead } = images
  return axn.run(`go live with v${release.spec.number}`, async (kube) => {
    if (layout && current?.spec.image && wantsHot(release, objects)) {
      const result = await hotRelease(axn, kube, { layout, ahead }, { release, current, objects, releases })
      if (result.kind === 'failed') return failHot(kube, axn, release, result.status)
    }
    // The status moves on only after the objects are applied: a platform that dies between applies them again.
    await applyAll(kube, objects)
    await patchRelease(kube, release, { ...fields, phase: 'RollingOut', message: 'rolling out' })
  })
}

async function failHot(kube: Kube, axn: Axn<AppObject>, release: ReleaseObject, status: HotStatus): Promise<void> {
  const failure = hotFailure(axn.name, status)
  if (status.state !== 'stuck') return finish(kube, axn, release, failure)
  await patchRelease(kube, release, { phase: 'RollingBack', failure })
}

/** Asks for new pods of the release before, and applies it. May be done twice. */
async function goBack(kube: Kube, axn: Axn<AppObject>, release: ReleaseObject, current: ReleaseObject): Promise<void> {
  await askForNewPods({ kube, clock: axn.clock }, release, effectiveObjects(current.spec, axn.object.spec))
  const app = await kube.get(App, axn.name)
  await rollBackTo(kube, axn, current, app.spec)
}

function awaitCommand(
  axn: Axn<AppObject>,
  release: ReleaseObject,
  current: ReleaseObject | undefined,
  images: Images,
): Axn<AppObject> {
  const job = axn.lister.get(Job, objectName(axn.name, `release-v${release.spec.number}`), axn.name)
  const condition = (type: string) =>
    job?.status?.conditions?.find((item) => item.type === type && item.status === 'True')
  if (condition('Complete')) return goLive(axn, release, current, images)
  const failed = condition('Failed')
  if (!failed) return axn.requeueAfter(5_000)
  const pod = axn.lister
    .list(Pod, { namespace: axn.name, labels: { 'batch.kubernetes.io/job-name': job!.metadata.name! } })
    .sort((a, b) => (a.metadata.creationTimestamp! < b.metadata.creationTimestamp! ? 1 : -1))[0]
  return axn.run(`report v${release.spec.number}`, async (kube) => {
    const evidence = pod ? await gather(kube, pod) : { logs: [], events: [] }
    const ended = pod?.status?.containerStatuses?.[0]?.state?.terminated
    const failure: Failure = {
      reason: 'release-command',
      message: `the release command ${ended ? `exited with code ${ended.exitCode}` : `failed: ${failed.message ?? failed.reason}`}`,
      process: 'release',
      pod: pod?.metadata.name,
      exitCode: ended?.exitCode,
      logs: evidence.logs,
      events: evidence.events,
      cause: `"${commandOf(release)}" has to end with exit code 0 before the release goes live`,
      next: `fix it and push again; cuddle releases:info -a ${axn.name} shows this report`,
    }
    await finish(kube, axn, release, failure)
  })
}

function commandOf(release: ReleaseObject): string {
  const command = release.spec.spec?.release?.command
  return Array.isArray(command) ? command.join(' ') : String(command)
}

/** @param release the one whose loaded code counts */
function viewOf(axn: Axn<AppObject>, release: ReleaseObject | undefined): View {
  const options = { namespace: axn.name, labels: { [labels.app]: axn.name } }
  return {
    deployments: axn.lister.list(Deployment, options),
    replicaSets: axn.lister.list(ReplicaSet, options),
    pods: axn.lister.list(Pod, options),
    endpointSlices: axn.lister.list(EndpointSlice, options),
    statefulSets: axn.lister.list(StatefulSet, options),
    loaded: release?.status?.hot?.pods?.filter((pod) => pod.loaded) ?? [],
  }
}

async function awaitRollout(
  axn: Axn<AppObject>,
  release: ReleaseObject,
  current: ReleaseObject | undefined,
  now: number,
): Promise<Axn<AppObject>> {
  const objects = effectiveObjects(release.spec, axn.object.spec)
  const seen = viewOf(axn, release)
  const since = release.metadata.creationTimestamp ?? ''
  const [refusals, replies] = await Promise.all([
    readRefusals(axn.kube, seen.statefulSets, seen.pods, since, now),
    readProbeReplies(axn.kube, axn.name, seen.pods, now),
  ])
  const view = { ...seen, refusals, replies }
  const serves = serving(objects, view, now)
  if (serves && switched(objects, view)) return succeed(axn, release)
  // What ran it as another kind of workload goes when its successor serves, not before.
  if (serves && [...view.deployments, ...view.statefulSets].some((live) => !isWanted(live, objects)))
    return axn.run('retire workloads', (kube) => prune(kube, axn.name, objects)).requeueAfter(100)
  axn = movePods(axn, objects, view, now)
  const rollout = assess(objects, view, now)
  if (rollout.state === 'failed') {
    return axn.run(`report v${release.spec.number}`, async (kube) => {
      const evidence = rollout.pod ? await gather(kube, rollout.pod) : { logs: [], events: [] }
      const failure = report(rollout, evidence, axn.name)
      const { hot } = release.status ?? {}
      const rolling = { phase: 'RollingBack', message: 'it fails: rolling back', failure }
      if (hot?.state === 'committed' && hasChanged(hot)) {
        // Pods run its code although their image is that of the release before: only new ones are rid of it.
        return void (await patchRelease(kube, release, { ...rolling, hot: { ...hot, state: 'stuck' } }))
      }
      await patchRelease(kube, release, rolling)
      await rollBackTo(kube, axn, current)
      await finish(kube, axn, release, failure)
    })
  }
  const message = rollout.state === 'progressing' ? rollout.message : 'rolling out'
  // Some of what decides is the passing of time: a startup probe's patience.
  return (message === release.status?.message ? axn : setStatus(axn, release, { message })).requeueAfter(1_000)
}

function rollBack(
  axn: Axn<AppObject>,
  release: ReleaseObject,
  current: ReleaseObject | undefined,
  now: number,
): Axn<AppObject> {
  if (release.status?.hot?.state === 'stuck' && current) {
    const objects = effectiveObjects(current.spec, axn.object.spec)
    const view = viewOf(axn, current)
    const asked = asksForNewPods(axn.object.spec, release, objects)
    if (!asked || !isApplied(objects, view.statefulSets)) {
      const replace = `replace the pods of v${release.spec.number}`
      return axn.run(replace, (kube) => goBack(kube, axn, release, current)).requeueAfter(500)
    }
    const rollout = assess(objects, view, now)
    const replaced = serving(objects, view, now) && switched(objects, view)
    if (!replaced && rollout.state !== 'failed') {
      const { message } = rollout.state === 'progressing' ? rollout : (release.status ?? {})
      axn = movePods(axn, objects, view, now)
      return (message === release.status?.message ? axn : setStatus(axn, release, { message })).requeueAfter(500)
    }
  }
  return axn.run(`roll back v${release.spec.number}`, async (kube) => {
    await rollBackTo(kube, axn, current)
    await finish(kube, axn, release, release.status?.failure)
  })
}

function isWanted({ kind, metadata }: KubeObject, objects: readonly KubeObject[]): boolean {
  return (
    metadata.deletionTimestamp !== undefined ||
    objects.some((object) => object.kind === kind && object.metadata.name === metadata.name)
  )
}

async function rollBackTo(
  kube: Kube,
  axn: Axn<AppObject>,
  current: ReleaseObject | undefined,
  app = axn.object.spec,
): Promise<void> {
  const objects = current?.spec.image ? effectiveObjects(current.spec, app) : []
  await applyAll(kube, objects)
  await prune(kube, axn.name, objects)
}

function patchRelease(kube: Kube, release: ReleaseObject, status: object): Promise<unknown> {
  const ref = { name: release.metadata.name!, namespace: release.metadata.namespace }
  return kube.patch(Release, ref, { status }, { subresource: 'status' })
}

async function finish(
  kube: Kube,
  axn: Axn<AppObject>,
  release: ReleaseObject,
  failure: Failure | undefined,
): Promise<void> {
  await patchRelease(kube, release, {
    phase: 'Failed',
    message: failure?.message ?? 'failed',
    failure,
    finishedAt: rfc3339(axn.clock.now()),
  })
}

function succeed(axn: Axn<AppObject>, release: ReleaseObject, fields: object = {}): Axn<AppObject> {
  const { number } = release.spec
  const objects = effectiveObjects(release.spec, axn.object.spec)
  const old = releasesOf(axn).filter((item) => item.spec.number !== number && item.spec.number <= number - kept)
  // The app's status goes first: a release that says Succeeded is always the current one.
  return axn
    .status({ currentRelease: number, applied: release.spec.image ? fingerprint(axn.object, number) : undefined })
    .run(`settle v${number}`, async (kube) => {
      await kube.patch(App, { name: axn.name }, { status: { currentRelease: number } }, { subresource: 'status' })
      await patchRelease(kube, release, {
        ...fields,
        phase: 'Succeeded',
        message: 'live',
        finishedAt: rfc3339(axn.clock.now()),
      })
      if (release.spec.image) await prune(kube, axn.name, objects)
      for (const item of old) await forget(kube, item)
    })
}

async function forget(kube: Kube, release: ReleaseObject): Promise<void> {
  await kube.delete(Release, release.metadata.name!, release.metadata.namespace).catch(ignoreNotFound)
}

function fingerprint(app: AppObject, release: number): string {
  return shortHash({ release, scale: scaleByHand(app.spec), restarts: app.spec.restarts ?? {} })
}

/** No release is under way: the current one stays applied, with the scale and restarts that were asked for since. */
function keep(axn: Axn<AppObject>, current: ReleaseObject | undefined): Axn<AppObject> {
  if (!current?.spec.image) return axn
  const objects = effectiveObjects(current.spec, axn.object.spec)
  const applied = fingerprint(axn.object, current.spec.number)
  const view = viewOf(axn, current)
  const missing = objects.some(
    (object) =>
      isWorkload(object) &&
      ![...view.deployments, ...view.statefulSets].some((live) => live.metadata.name === object.metadata.name),
  )
  if (applied === axn.object.status?.applied && !missing) return movePods(axn, objects, view, axn.clock.now())
  return (
    axn
      .run(`keep v${current.spec.number}`, async (kube) => {
        await applyAll(kube, objects)
        await prune(kube, axn.name, objects)
      })
      .status({ applied })
      // The number of pods of a StatefulSet is moved by the pass after this one.
      .requeueAfter(0)
  )
}

async function status(axn: Axn<AppObject>): Promise<Axn<AppObject>> {
  const releases = releasesOf(axn)
  const latestRelease = releases.at(-1)?.spec.number
  const url = axn.object.status?.url ?? appUrl(axn.name, await readSettings(axn.kube))
  const current = releases.find((release) => release.spec.number === axn.object.status?.currentRelease)
  const next = axn.status({ latestRelease, url, observedGeneration: axn.object.metadata.generation })
  if (!current?.spec.image) return next.condition('Ready', false, 'NotDeployed', 'nothing has been deployed yet')
  const ready = serving(effectiveObjects(current.spec, axn.object.spec), viewOf(axn, current), axn.clock.now())
  return next.condition('Ready', ready, ready ? 'Serving' : 'PodsNotReady')
}

function destroy(axn: Axn<AppObject>, onDestroyed: ((app: string) => Promise<void>) | undefined): Axn<AppObject> {
  const namespace = axn.lister.get(Namespace, axn.name)
  if (namespace?.metadata.labels?.[labels.app] === axn.name) {
    if (namespace.metadata.deletionTimestamp) return axn.requeueAfter(1_000)
    return axn.delete({ type: Namespace, name: axn.name }).requeueAfter(200)
  }
  return onDestroyed ? axn.run('forget the app', () => onDestroyed(axn.name)) : axn
}
