import type { KubeObject } from '#kube'
import type { CronSpec } from '#spec'
import type { ConfigNames } from './config.ts'
import { jobSpec } from './job.ts'
import { labels, metadata, objectName } from './names.ts'
import { taskPod } from './pod.ts'
import type { CompileInput } from './types.ts'

/**
 * Seconds within which a missed run is made up for. Below 10 the controller may never start one; without it, one that was
 * missed long ago starts as soon as the control plane is back.
 */
const lateStart = 300

/** A scheduled run with the app's image and config. It never runs twice at a time. */
export function cronJob(input: CompileInput, config: ConfigNames, name: string, cron: CronSpec): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: metadata(input, objectName(input.app, name), name),
    spec: {
      schedule: cron.schedule,
      timeZone: cron.timezone,
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: lateStart,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 3,
      jobTemplate: {
        metadata: { labels: labels(input.app, name) },
        spec: jobSpec(taskPod(input, config, name, cron), { retries: 1, timeout: cron.timeout, keep: 86_400 }),
      },
    },
  }
}
