import type { objects } from '#kube'
import type { Clock } from '#lib'
import type { Attempt } from './attempt.ts'
import { Deadline } from './deadline.ts'
import { type ProbeReply, type ProbeTarget, runProbe } from './probe.ts'

/** What a container gets after a preStop hook that used the whole grace period up (kubelet minimumGracePeriodInSeconds), ms. */
const minimumMs = 2000
/** Children that outlive the main process are looked at so often, ms. */
const groupPollMs = 20

export interface StopOptions {
  attempt: Attempt
  container: objects.Container
  target: ProbeTarget
  deadline: Deadline
  clock: Clock
  /** The preStop hook failed; the stop goes on. */
  onHookFailed: (message: string) => void
}

/** Ends a container as the kubelet does: preStop within the grace period, SIGTERM to the main process, SIGKILL to all. */
export async function stopContainer(options: StopOptions): Promise<void> {
  const { attempt, container, target, clock, onHookFailed } = options
  let { deadline } = options
  const hook = container.lifecycle?.preStop
  if (hook && attempt.alive()) {
    const run = runHook(hook, target, deadline.left, clock).then((reply) => {
      if (!reply.ok) onHookFailed(reply.message)
    })
    await deadline.race(Promise.race([run, attempt.ended]))
    if (deadline.left < minimumMs) deadline = new Deadline(clock, minimumMs)
  }
  const stopSignal = (container.lifecycle as { stopSignal?: NodeJS.Signals } | undefined)?.stopSignal
  attempt.signal(stopSignal ?? 'SIGTERM')
  const ended = await deadline.race(attempt.ended)
  // A shell that was told to stop leaves its children; they get the same chance as it had.
  if (ended && attempt.signalGroup('SIGTERM')) {
    while (attempt.groupAlive() && deadline.left > 0) await clock.sleep(Math.min(groupPollMs, deadline.left))
  }
  await attempt.kill()
  attempt.check()
  await attempt.ended
}

/** Runs a postStart or preStop hook. Never throws. */
export async function runHook(
  hook: objects.LifecycleHandler,
  target: ProbeTarget,
  timeoutMs: number,
  clock: Clock,
): Promise<ProbeReply> {
  if (hook.sleep) {
    await clock.sleep(Math.min(hook.sleep.seconds * 1000, timeoutMs))
    return { ok: true, message: '' }
  }
  return runProbe(hook as objects.Probe, target, Math.max(1, timeoutMs))
}
