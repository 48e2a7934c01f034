import type { KubeObject, objects } from '#kube'
import type { Command, Size } from '#spec'
import { type ConfigNames, configObjects } from './config.ts'
import { metadata, objectName } from './names.ts'
import { patched } from './patches.ts'
import { taskPod } from './pod.ts'
import type { CompileInput } from './types.ts'

/** Guards of a run to the end: it never repeats by itself, ends in time, and is swept up afterwards. */
export function jobSpec(
  pod: objects.PodTemplateSpec,
  guards: { retries: number; timeout: number; keep: number },
): objects.JobSpec {
  return {
    backoffLimit: guards.retries,
    activeDeadlineSeconds: guards.timeout,
    ttlSecondsAfterFinished: guards.keep,
    // A pod that a drained node takes away has not failed.
    podFailurePolicy: {
      rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
    },
    template: pod,
  }
}

/** The release phase: runs once with the new image and config before anything else of the release. Undefined without one. */
export function releaseJob(input: CompileInput): KubeObject | undefined {
  const { release } = input.spec
  if (!release) return undefined
  const pod = taskPod(input, configObjects(input).names, 'release', release)
  return job(input, objectName(input.app, `release-v${input.release}`), 'release', {
    ...jobSpec(pod, { retries: 0, timeout: release.timeout, keep: 3600 }),
  })
}

export interface RunOptions {
  /** Name of the Job; unique in the namespace. */
  name: string
  command: Command
  /** Variables for this run; they win over all others. */
  env?: Record<string, string>
  /** @default the size of `web`, or of the first process */
  size?: Size
  /** Longest run, seconds. @default 86400 */
  timeout?: number
  /** Somebody will attach: the command begins when a first line has come in, so that nothing of its output is missed. */
  input?: 'pipe' | 'terminal' | undefined
}

/** A one-off command (`cuddle run`) with the release's image and config. */
export function runJob(input: CompileInput, options: RunOptions): KubeObject {
  const { name, command, env, timeout = 86_400, input: kind } = options
  const { processes } = input.spec
  const size = options.size ?? (processes.web ?? Object.values(processes)[0])?.size ?? { cpu: '100m', memory: '256Mi' }
  const config: ConfigNames = configObjects(input).names
  const pod = taskPod(input, config, 'run', { command, size, ...(env === undefined ? {} : { env }) })
  const [container] = pod.spec!.containers
  if (kind) {
    const wait = kind === 'terminal' ? 'stty -echo; read -r go; stty echo' : 'read -r go'
    container.command = ['/bin/sh', '-c', `${wait}; exec "$@"`, 'run', ...container.command!]
    Object.assign(container, { stdin: true, stdinOnce: true, tty: kind === 'terminal' })
  }
  return job(input, name, 'run', jobSpec(pod, { retries: 0, timeout, keep: 600 }))
}

function job(input: CompileInput, name: string, process: string, spec: objects.JobSpec): KubeObject {
  const object = { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata(input, name, process), spec }
  return patched([object], input.spec.patches)[0]
}
