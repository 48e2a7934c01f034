import { type Kube, Pod } from '#kube'
import type { Clock } from '#lib'
import { restartsOf } from '../stateful/shape.ts'
import type { Target } from './nodes.ts'

/** How long new code is watched before the release counts as loaded. */
const watchMs = 1_000
/** How far back a log tells what is usual, seconds. */
const usualSeconds = 10
/** A second may be a bad one: fewer errors than these say nothing. */
const fewErrors = 5
/** How many times the usual number of errors is too many. */
const tooMany = 3
const logLines = 5_000

/** Heads of reports at level error and above, as Elixir's Logger, OTP's logger and JSON formatters write them. */
const errorLine =
  /\[(?:error|critical|alert|emergency)\]|=(?:ERROR|CRASH) REPORT|"(?:level|severity)":"(?:error|critical|alert|emergency)"/i

/**
 * Watches pods whose processes just went on in new code.
 * @param since when the first of them went on, wall clock, ms
 * @returns why the code is no good, or undefined when nothing is wrong: a pod that restarted or is not ready any more, or far more
 * errors in the log than before. Pods that somebody deleted say nothing.
 */
export async function watchPods(
  { kube, clock, app }: { kube: Kube; clock: Clock; app: string },
  targets: readonly Target[],
  since: number,
): Promise<string | undefined> {
  await clock.sleep(watchMs)
  const found = await Promise.all(targets.map((target) => wrongWith(kube, app, target, since)))
  return found.find((reason) => reason !== undefined)
}

async function wrongWith(kube: Kube, app: string, target: Target, since: number): Promise<string | undefined> {
  const pod = await kube.find(Pod, target.pod, app)
  if (!pod || pod.metadata.uid !== target.uid || pod.metadata.deletionTimestamp) return undefined
  if (restartsOf(pod) !== target.restarts) return `${target.pod} ended and was started again`
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return `${target.pod} is not ready any more: ${ready?.message ?? 'its probe fails'}`
  const { before, after, first } = await countErrors(kube, app, target, since)
  const usual = (before / usualSeconds) * (watchMs / 1000)
  if (after < fewErrors || after <= usual * tooMany) return undefined
  return `${target.pod} logged ${after} errors in ${watchMs / 1000} s, where ${usual.toFixed(1)} were usual; the first: ${first}`
}

/** Errors in a pod's log before and after a moment; of a log that cannot be read, none. */
async function countErrors(kube: Kube, app: string, { pod, process }: Target, since: number) {
  const count = { before: 0, after: 0, first: '' }
  const options = { container: process, sinceSeconds: usualSeconds + Math.ceil(watchMs / 1000), timestamps: true }
  try {
    for await (const line of kube.logs(pod, app, { ...options, tailLines: logLines })) {
      if (!errorLine.test(line)) continue
      const [, at, text] = /^(\S+) (.*)$/s.exec(line) ?? []
      if (Date.parse(at ?? '') <= since) count.before++
      else if (count.after++ === 0) count.first = (text ?? line).slice(0, 200)
    }
  } catch {
    return { before: 0, after: 0, first: '' }
  }
  return count
}
