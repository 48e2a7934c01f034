import { equal } from '#lib'
import { defaultPodSpec, fill } from './pod.ts'
import type { Defaulter, OnCreate } from './registry.ts'

const prefixed = 'batch.kubernetes.io/'

export const defaults: Record<string, Defaulter> = {
  Job({ spec, metadata }) {
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
    fill(spec, 'parallelism', 1)
    fill(spec, 'backoffLimit', spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1)
    fill(spec, 'completionMode', 'NonIndexed')
    fill(spec, 'suspend', false)
    fill(spec, 'manualSelector', false)
    fill(spec, 'podReplacementPolicy', spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed')
    for (const rule of spec.podFailurePolicy?.rules ?? [])
      for (const condition of rule.onPodConditions ?? []) fill(condition, 'status', 'True')
    const { labels } = spec.template.metadata
    if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
    defaultPodSpec(spec.template.spec)
  },
  CronJob({ spec }) {
    fill(spec, 'concurrencyPolicy', 'Allow')
    fill(spec, 'suspend', false)
    fill(spec, 'successfulJobsHistoryLimit', 3)
    fill(spec, 'failedJobsHistoryLimit', 1)
    const pod = spec.jobTemplate.spec.template?.spec
    if (pod) defaultPodSpec(pod)
  },
}

export const onCreate: Record<string, OnCreate> = {
  // A Job selects its own pods by its uid, unless it manages the selector itself.
  Job(object) {
    const { spec, metadata } = object
    if (spec.manualSelector || !metadata.uid) return
    // Labels that a Job has from its template are one map with the template's in Go: what one gets the other gets too.
    const shared = !metadata.labels || equal(metadata.labels, spec.template.metadata.labels)
    if (shared) metadata.labels ??= {}
    spec.template.metadata.labels ??= {}
    const { labels } = spec.template.metadata
    for (const target of [labels, ...(shared ? [metadata.labels] : [])])
      for (const prefix of ['', prefixed]) {
        target[`${prefix}job-name`] ??= metadata.name ?? ''
        target[`${prefix}controller-uid`] ??= metadata.uid
      }
    spec.selector ??= {}
    spec.selector.matchLabels ??= {}
    spec.selector.matchLabels[`${prefixed}controller-uid`] ??= metadata.uid
  },
}
