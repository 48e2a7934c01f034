import type { KubeObject } from '#kube'
import { CuddleError } from '#lib'
import type { Scale } from '#spec'
import { autoscaler } from './autoscaler.ts'
import { beamService, hot } from './beam.ts'
import { budget } from './budget.ts'
import { clustered, reachable } from './clustered.ts'
import { configObjects } from './config.ts'
import { cronJob } from './cron-job.ts'
import { deployment } from './deployment.ts'
import { ingress } from './ingress.ts'
import { namespace } from './namespace.ts'
import { networkPolicies } from './network-policy.ts'
import { patched } from './patches.ts'
import { service } from './service.ts'
import { serviceAccount } from './service-account.ts'
import { statefulSet } from './stateful-set.ts'
import { claims } from './storage.ts'
import { autoscaled } from './targets.ts'
import type { CompileInput } from './types.ts'
import { vmConfig } from './vm-config.ts'

/**
 * All objects of a release that stay (its Jobs are releaseJob and runJob), in the order in which they can be applied.
 * Pure and deterministic. Throws CuddleError `storage_scale` when a process with storage is to run more than once.
 */
export function compile(input: CompileInput): KubeObject[] {
  const { spec } = input
  const config = configObjects(input)
  const objects: KubeObject[] = [namespace(input), serviceAccount(input), ...networkPolicies(input)]
  if (config.configMap) objects.push(config.configMap)
  if (config.secret) objects.push(config.secret)
  const files = vmConfig(input)
  if (files) objects.push(files)
  if (clustered(input)) objects.push(beamService(input))
  for (const name of Object.keys(spec.processes)) {
    const process = spec.processes[name]
    const scale = scaleOf(input, name)
    for (const claim of claims(input, name, process.storage)) objects.push(claim)
    if (process.port !== undefined) objects.push(service(input, name, process.port))
    const workload = hot(input, process) ? statefulSet : deployment
    const running = workload(input, config.names, name, process, autoscaled(scale) ? undefined : scale.min)
    objects.push(running)
    const how = { kind: running.kind, nodes: reachable(input) }
    if (autoscaled(scale)) objects.push(autoscaler(input, name, how, scale))
    if (scale.max >= 2) objects.push(budget(input, name))
  }
  if (spec.processes.web) objects.push(ingress(input))
  for (const name of Object.keys(spec.cron)) objects.push(cronJob(input, config.names, name, spec.cron[name]))
  return patched(objects, spec.patches)
}

/** The scale of a process: what was set by hand, else the spec's. A range set by hand keeps the spec's target. */
export function scaleOf(input: Pick<CompileInput, 'app' | 'spec' | 'scale'>, name: string): Scale {
  const process = input.spec.processes[name]
  const byHand = Object.hasOwn(input.scale, name) ? input.scale[name] : undefined
  const scale =
    typeof byHand === 'number'
      ? { min: byHand, max: byHand }
      : byHand
        ? { target: process.scale.target, ...byHand }
        : process.scale
  if (scale.max > 1 && Object.keys(process.storage).length > 0) {
    throw new CuddleError('storage_scale', `${input.app}: ${name} cannot run ${scale.max} times, it has storage`, {
      hint: `cuddle ps:scale ${name}=1, or remove storage`,
    })
  }
  return scale
}

const early = new Set(['Namespace', 'ServiceAccount', 'NetworkPolicy', 'ConfigMap', 'Secret'])

/** The objects that the release phase needs: they are applied before its Job, everything else after it has succeeded. */
export function prerequisites(objects: readonly KubeObject[]): KubeObject[] {
  return objects.filter((object) => early.has(object.kind))
}
