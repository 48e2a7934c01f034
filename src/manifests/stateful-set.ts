import type { KubeObject, objects } from '#kube'
import type { ProcessSpec } from '#spec'
import { nodesName } from './beam.ts'
import { clustered } from './clustered.ts'
import type { ConfigNames } from './config.ts'
import { settleTime } from './deployment.ts'
import { metadata, objectName, selector } from './names.ts'
import { processPod } from './pod.ts'
import type { CompileInput } from './types.ts'

/**
 * A process whose code is loaded while it runs. `OnDelete`: the template moves to the new image and nobody restarts, but
 * whoever restarts later boots what the others already run. Where pods have to be replaced, the platform replaces them.
 *
 * @param replicas undefined where an autoscaler decides
 */
export function statefulSet(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  process: ProcessSpec,
  replicas: number | undefined,
): KubeObject {
  const spec: objects.StatefulSetSpec = {
    ...(replicas === undefined ? {} : { replicas }),
    minReadySeconds: process.health ? 0 : settleTime,
    revisionHistoryLimit: 2,
    // Pods wait for each other neither to start nor to stop.
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'OnDelete' },
    serviceName: clustered(input) ? nodesName(input.app) : objectName(input.app, name),
    selector: { matchLabels: selector(input.app, name) },
    template: processPod(input, config, name, process),
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(input, objectName(input.app, name), name),
    spec,
  }
}
