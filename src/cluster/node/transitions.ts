import { CuddleError, errorMessage, rfc3339, sha256 } from '#lib'
import type { Attempt, Exit } from './attempt.ts'
import { type BackoffRules, backOff } from './plan.ts'
import type { ContainerRecord } from './record.ts'

/** How soon a failed preparation (image, configuration) is tried again, ms. */
export const retryMs = 2000
const imageRetryMs = 5000

/** The next attempt of a container is about to be made. */
export function beginAttempt(record: ContainerRecord, uid: string, name: string, imageID: string): void {
  const ended = record.state.terminated ?? record.lastState.terminated
  if (record.begun && ended) {
    record.restartCount++
    record.lastState = { terminated: ended }
  }
  record.begun = true
  record.state = { waiting: { reason: 'ContainerCreating' } }
  record.imageID = imageID
  record.containerID = `cuddle://${sha256(`${uid}/${name}/${record.restartCount}`)}`
  record.started = record.ready = false
  record.complaint = undefined
}

/** The program did not come to run: as good as an attempt that ended with 128, the kubelet's StartError. */
export function startRefused(record: ContainerRecord, message: string, now: number, rules: BackoffRules): void {
  const at = rfc3339(now)
  const { containerID } = record
  record.state = {
    terminated: { exitCode: 128, reason: 'StartError', message, startedAt: at, finishedAt: at, containerID },
  }
  backOff(record, 0, now, rules)
}

/** Image or configuration are not there: the container waits, with the reason that Kubernetes shows. */
export function preparationFailed(record: ContainerRecord, error: unknown, image: string, now: number): void {
  const message = errorMessage(error)
  const code = error instanceof CuddleError ? error.code : 'ContainerCreating'
  const before = record.state.waiting?.reason
  const again = code === 'ErrImagePull' && (before === 'ErrImagePull' || before === 'ImagePullBackOff')
  if (record.state.terminated) record.lastState = record.state
  record.state = {
    waiting: again
      ? { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": ${message}` }
      : { reason: code, message },
  }
  record.notBefore = now + (code === 'ErrImagePull' ? imageRetryMs : retryMs)
}

/** The process has ended. `message` is what it left to say, `outOfMemory` why it was killed. */
export function attemptEnded(
  record: ContainerRecord,
  attempt: Attempt,
  exit: Exit,
  why: { outOfMemory: boolean; message: string },
  now: number,
  rules: BackoffRules,
): void {
  const reason = exit.lost ? 'Unknown' : why.outOfMemory ? 'OOMKilled' : exit.code === 0 ? 'Completed' : 'Error'
  record.started = record.ready = false
  record.state = {
    terminated: {
      exitCode: exit.code,
      reason,
      ...(why.message && { message: why.message }),
      startedAt: rfc3339(attempt.startedAt),
      finishedAt: rfc3339(exit.finishedAt),
      containerID: record.containerID,
    },
  }
  // What the machine took down with it comes back at once.
  if (exit.lost) record.notBefore = 0
  else backOff(record, exit.finishedAt - attempt.startedAt, now, rules)
}
