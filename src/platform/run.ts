import { type AttachOptions, Job, type Kube, Pod } from '#kube'
import { CuddleError, randomSuffix } from '#lib'
import { runJob } from '#manifests'
import type { Context } from './context.ts'
import { readSettings } from './context.ts'
import { gather } from './diagnose.ts'
import { compileInput, currentRelease, getApp, releaseConfig } from './releases.ts'
import { podFailure } from './rollout.ts'

export interface RunRequest {
  /** The command as typed, a shell line. */
  command: string
  env?: Record<string, string>
  write: (line: string) => void
  /** Joins the caller to the command: what is typed goes in, and output comes as it is, not to `write`. */
  streams?: RunStreams | undefined
  signal?: AbortSignal
}

export interface RunStreams extends Pick<AttachOptions, 'stdout' | 'stderr' | 'onOpen'> {
  stdin: AsyncIterable<Uint8Array>
  /** The caller is a terminal, and the command gets one. */
  tty: boolean
}

/**
 * Runs a command once in a fresh pod of the current release, with its config; its output goes to `write`.
 * Returns its exit code. When the signal aborts the pod is deleted.
 */
export async function runOnce(context: Context, appName: string, request: RunRequest): Promise<number> {
  const { kube } = context
  const app = await getApp(context, appName)
  const release = await currentRelease(context, app)
  if (!release?.spec.image)
    throw new CuddleError('not-deployed', `${appName} has no code yet`, { hint: 'git push cuddle main' })
  const input = compileInput(release.spec, await releaseConfig(context, release), {}, await readSettings(kube))
  const name = `${appName}-run-${randomSuffix(5)}`
  const kind = request.streams && (request.streams.tty ? 'terminal' : 'pipe')
  const job = runJob(input, { name, command: request.command, env: request.env, input: kind })
  await kube.apply(Job, job, { fieldManager: 'cuddle' })
  const remove = () => kube.delete(Job, name, appName, { propagationPolicy: 'Background' }).catch(() => {})
  try {
    return await follow(context, appName, name, request)
  } finally {
    await remove()
  }
}

async function follow(context: Context, namespace: string, job: string, request: RunRequest): Promise<number> {
  const { kube, clock } = context
  const selector = { namespace, labelSelector: `batch.kubernetes.io/job-name=${job}` }
  for (;;) {
    if (request.signal?.aborted) throw new CuddleError('interrupted', 'interrupted: the pod is deleted')
    const pod = (await kube.list(Pod, selector)).items[0]
    const state = pod?.status?.containerStatuses?.[0]?.state
    const failure = pod && !state?.running && !state?.terminated ? podFailure('run', pod, clock.now()) : undefined
    if (failure?.state === 'failed') {
      const { events } = await gather(kube, pod)
      throw new CuddleError('run-failed', failure.message, { details: events })
    }
    if (pod && (state?.running || state?.terminated)) {
      if (request.streams && state.running)
        await join(kube, pod.metadata.name!, namespace, request.streams, request.signal)
      else
        for await (const line of kube.logs(pod.metadata.name!, namespace, { follow: true, signal: request.signal }))
          request.write(line)
      return exitCode(context, namespace, pod.metadata.name!, request.signal)
    }
    await clock.sleep(20, request.signal)
  }
}

/** Attaches, and lets the command begin (see runJob). */
function join(
  kube: Kube,
  pod: string,
  namespace: string,
  { stdin, stdout, stderr, tty, onOpen }: RunStreams,
  signal: AbortSignal | undefined,
): Promise<void> {
  async function* input() {
    yield Buffer.from('\n')
    yield* stdin
  }
  return kube.attach(pod, namespace, {
    stdin: input(),
    tty,
    ...(stdout && { stdout }),
    ...(stderr && !tty && { stderr }),
    ...(onOpen && { onOpen }),
    ...(signal && { signal }),
  })
}

async function exitCode(
  context: Context,
  namespace: string,
  pod: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (;;) {
    const found = await context.kube.find(Pod, pod, namespace)
    const ended = found?.status?.containerStatuses?.[0]?.state?.terminated
    if (ended) return ended.exitCode ?? 1
    if (!found) return 137
    if (signal?.aborted) throw new CuddleError('interrupted', 'interrupted: the pod is deleted')
    await context.clock.sleep(20, signal)
  }
}
