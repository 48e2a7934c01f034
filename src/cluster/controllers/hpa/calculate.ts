import type { objects } from '#kube'
import { groupPods } from './pod-groups.ts'
import { milli, type Sample } from './samples.ts'

export interface Situation {
  /** The target's spec.replicas and status.replicas. */
  current: number
  observed: number
  /** All pods that the target's selector matches. */
  pods: readonly objects.Pod[]
  /** How far from 1 a ratio may be before anything is done. */
  tolerance: { up: number; down: number }
  now: number
}

/** What one metric asks for, and what it was. Values in thousandths, utilisation in per cent. */
export interface Proposal {
  replicas: number
  value: { averageUtilization?: number; averageValue?: number; value?: number }
}

/**
 * The arithmetic of upstream's replica_calculator.go: replicas × current ÷ target, rounded up, unless that is within the tolerance.
 * What is not known of a pod is taken to be what speaks against a change. Throws Error with upstream's text when nothing can be said.
 */
export function byUtilisation(
  situation: Situation,
  samples: ReadonlyMap<string, Sample>,
  resource: string,
  target: number,
  container?: string,
): Proposal {
  const requests = requestsOf(situation.pods, resource, container)
  const utilisation = { latest: 0, average: 0 }
  const ratio = (values: ReadonlyMap<string, number>) => {
    let used = 0
    let requested = 0
    let count = 0
    for (const [name, value] of values) {
      const request = requests.get(name)
      if (request === undefined) continue
      used += value
      requested += request
      count++
    }
    if (requested === 0) throw new Error('no metrics returned matched known pods')
    utilisation.latest = Math.trunc((used * 100) / requested)
    utilisation.average = Math.trunc(used / count)
    return utilisation.latest / target
  }
  const assumed = (name: string) => Math.trunc(((requests.get(name) ?? 0) * Math.max(100, target)) / 100)
  let first: typeof utilisation | undefined
  const replicas = fromPods(situation, samples, resource, assumed, (values) => {
    const result = ratio(values)
    first ??= { ...utilisation }
    return result
  })
  return { replicas, value: { averageUtilization: first!.latest, averageValue: first!.average } }
}

/** By an average per pod, of a resource or a custom metric. */
export function byAverage(
  situation: Situation,
  samples: ReadonlyMap<string, Sample>,
  resource: string | undefined,
  target: number,
): Proposal {
  let first: number | undefined
  const replicas = fromPods(
    situation,
    samples,
    resource,
    () => target,
    (values) => {
      const average = Math.trunc([...values.values()].reduce((sum, value) => sum + value, 0) / values.size)
      first ??= average
      return average / target
    },
  )
  return { replicas, value: { averageValue: first! } }
}

/** By a value that belongs to all pods together (object and external metrics). */
export function byValue(situation: Situation, value: number, target: number): Proposal {
  const { current, pods } = situation
  const ratio = value / target
  if (current === 0) return { replicas: Math.ceil(ratio), value: { value } }
  if (isWithin(ratio, situation)) return { replicas: current, value: { value } }
  const ready = pods.filter(
    (pod) =>
      pod.status?.phase === 'Running' && pod.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
  ).length
  return { replicas: Math.ceil(ratio * ready), value: { value } }
}

/** By such a value shared among the replicas. */
export function byShare(situation: Situation, value: number, target: number): Proposal {
  const { observed } = situation
  const ratio = value / (target * observed)
  const replicas = isWithin(ratio, situation) ? observed : Math.ceil(value / target)
  return { replicas, value: { averageValue: Math.ceil(value / observed) } }
}

/** Bounds are inclusive. */
function isWithin(ratio: number, { tolerance }: Situation): boolean {
  return 1 - tolerance.down <= ratio && ratio <= 1 + tolerance.up
}

function fromPods(
  situation: Situation,
  samples: ReadonlyMap<string, Sample>,
  resource: string | undefined,
  assumed: (pod: string) => number,
  ratioOf: (values: ReadonlyMap<string, number>) => number,
): number {
  const { pods, current, now } = situation
  if (pods.length === 0) throw new Error('no pods returned by selector while calculating replica count')
  const { ready, unready, missing, ignored } = groupPods(pods, samples, resource, now)
  const values = new Map<string, number>()
  for (const [name, { value }] of samples) if (!ignored.has(name) && !unready.has(name)) values.set(name, value)
  if (values.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)')
  const ratio = ratioOf(values)
  const startingUp = unready.size > 0 && ratio > 1
  if (!startingUp && missing.size === 0) return isWithin(ratio, situation) ? current : Math.ceil(ratio * ready)
  for (const name of missing) {
    if (ratio < 1) values.set(name, assumed(name))
    else if (ratio > 1) values.set(name, 0)
  }
  if (startingUp) for (const name of unready) values.set(name, 0)
  const careful = ratioOf(values)
  const turned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1)
  if (turned || isWithin(careful, situation)) return current
  const replicas = Math.ceil(careful * values.size)
  // What is not known must not bring about the opposite.
  if (careful < 1 ? replicas > current : replicas < current) return current
  return replicas
}

/** Requests per pod in thousandths. */
function requestsOf(pods: readonly objects.Pod[], resource: string, only: string | undefined): Map<string, number> {
  const requests = new Map<string, number>()
  for (const pod of pods) {
    let sum = 0
    const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
    for (const { name, resources } of [...(pod.spec?.containers ?? []), ...sidecars]) {
      if (only !== undefined && name !== only) continue
      const request = (resources?.requests as Record<string, string> | undefined)?.[resource]
      if (request === undefined)
        throw new Error(`missing request for ${resource} in container ${name} of Pod ${pod.metadata.name}`)
      sum += milli(request)
    }
    requests.set(pod.metadata.name!, sum)
  }
  return requests
}
