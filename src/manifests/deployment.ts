import type { KubeObject, objects } from '#kube'
import type { ProcessSpec } from '#spec'
import type { ConfigNames } from './config.ts'
import { metadata, objectName, selector } from './names.ts'
import { processPod } from './pod.ts'
import type { CompileInput } from './types.ts'

/**
 * Seconds that a pod without probes must live before it counts: without them a crash at boot would pass for a good rollout.
 */
export const settleTime = 2
/** Seconds beyond the time to start after which a rollout that does not move has failed. */
const deadlineMargin = 60

/**
 * A process. New pods serve before old ones are asked to stop, except where storage allows one pod at a time.
 *
 * @param replicas undefined where an autoscaler decides
 */
export function deployment(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  process: ProcessSpec,
  replicas: number | undefined,
): KubeObject {
  const spec: objects.DeploymentSpec = {
    ...(replicas === undefined ? {} : { replicas }),
    minReadySeconds: process.health ? 0 : settleTime,
    progressDeadlineSeconds: (process.health?.start ?? deadlineMargin) + deadlineMargin,
    revisionHistoryLimit: 2,
    // 25 % rounds up to at least one pod more; none less.
    strategy:
      process.strategy === 'recreate'
        ? { type: 'Recreate' }
        : { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
    selector: { matchLabels: selector(input.app, name) },
    template: processPod(input, config, name, process),
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(input, objectName(input.app, name), name),
    spec,
  }
}
