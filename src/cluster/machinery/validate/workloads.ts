import { createRequire } from 'node:module'
import { equal } from '#lib'
import { forbidden, invalid, nonNegative, notSupported, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { immutable, selects, validateLabels, validateSelector } from './metadata.ts'
import { validatePodSpec } from './pod.ts'

export type Validator = (object: any, old: any | undefined) => Cause[]

function template(spec: any, policies: string[], path = 'spec.template'): Cause[] {
  const { metadata, spec: pod } = spec.template
  const causes = validateLabels(metadata?.labels, `${path}.metadata.labels`)
  causes.push(...validatePodSpec(pod, `${path}.spec`))
  const field = `${path}.spec.restartPolicy`
  if (pod.restartPolicy === 'Always' && !policies.includes('Always'))
    causes.push(required(field, `valid values: ${policies.map((one) => JSON.stringify(one)).join(', ')}`))
  else if (!policies.includes(pod.restartPolicy)) causes.push(notSupported(field, pod.restartPolicy, policies))
  return causes
}

function selected(spec: any, kind: string): Cause[] {
  const { selector } = spec
  const unmatched = invalid(
    'spec.template.metadata.labels',
    sorted(spec.template.metadata?.labels),
    '`selector` does not match template `labels`',
  )
  if (!selector) return [required('spec.selector'), unmatched]
  const causes = validateSelector(selector, 'spec.selector')
  if (!selector.matchLabels && !selector.matchExpressions)
    causes.push(invalid('spec.selector', selector, `empty selector is invalid for ${kind}`))
  else if (causes.length === 0 && !selects(selector, spec.template.metadata.labels)) causes.push(unmatched)
  return causes
}

/** Labels as Go prints a map. */
function sorted(labels: Record<string, string> | undefined) {
  return labels ? Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) : null
}

function numbers(spec: any, ...fields: string[]): Cause[] {
  return fields.flatMap((field) => nonNegative(`spec.${field}`, spec[field]))
}

function isZero(value: unknown): boolean {
  return value === 0 || value === '0%'
}

function amount(value: unknown, path: string): Cause[] {
  if (typeof value === 'number') return nonNegative(path, value)
  if (typeof value !== 'string' || /^\d+%$/.test(value)) return []
  return [
    invalid(
      path,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ]
}

function rolling(strategy: any, path: string): Cause[] {
  const { type, rollingUpdate } = strategy ?? {}
  // The whole strategy is shown, under the names of Go's fields.
  const shown = { Type: type, RollingUpdate: rollingUpdate ?? null }
  const types = ['Recreate', 'RollingUpdate']
  if (!types.includes(type)) return [notSupported(path, shown, types)]
  if (type !== 'RollingUpdate')
    return rollingUpdate
      ? [forbidden(`${path}.rollingUpdate`, `may not be specified when strategy \`type\` is '${type}'`)]
      : []
  const causes = [
    ...amount(rollingUpdate?.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
    ...amount(rollingUpdate?.maxSurge, `${path}.rollingUpdate.maxSurge`),
  ]
  if (isZero(rollingUpdate?.maxUnavailable) && isZero(rollingUpdate?.maxSurge))
    causes.push(
      invalid(
        `${path}.rollingUpdate.maxUnavailable`,
        rollingUpdate.maxUnavailable,
        'may not be 0 when `maxSurge` is 0',
      ),
    )
  return causes
}

const deployment: Validator = ({ spec }, old) => {
  const causes = [
    ...numbers(spec, 'replicas', 'minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'),
    ...selected(spec, 'deployment'),
    ...template(spec, ['Always']),
    ...rolling(spec.strategy, 'spec.strategy'),
  ]
  if (spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0))
    causes.push(
      invalid('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds, 'must be greater than minReadySeconds'),
    )
  if (old) causes.push(...immutable(spec.selector, old.spec.selector, 'spec.selector'))
  return causes
}

/** A ReplicationController's spec, whose selector is a plain map. */
export function replicated(spec: any = {}): Cause[] {
  const causes = numbers(spec, 'replicas', 'minReadySeconds')
  if (Object.keys(spec.selector ?? {}).length === 0) causes.push(required('spec.selector'))
  if (!spec.template) return [...causes, required('spec.template')]
  const { labels } = spec.template.metadata ?? {}
  if (!selects({ matchLabels: spec.selector }, labels))
    causes.push(invalid('spec.template.metadata.labels', sorted(labels), '`selector` does not match template `labels`'))
  return [...causes, ...template(spec, ['Always'])]
}

const replicaSet: Validator = ({ spec }, old) => [
  ...numbers(spec, 'replicas', 'minReadySeconds'),
  ...selected(spec, 'deployment'),
  ...template(spec, ['Always']),
  ...(old ? immutable(spec.selector, old.spec.selector, 'spec.selector') : []),
]

const changeable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]

/** A StatefulSet's spec as its pods will be: each claim is a volume of that name, in place of the template's own. */
function withClaims(spec: any): any {
  const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata }: any) => metadata?.name)
  if (claims.length === 0) return spec
  const own = (spec.template.spec.volumes ?? []).filter(({ name }: any) => !claims.includes(name))
  const volumes = [...claims.map((name: string) => ({ name, emptyDir: {} })), ...own]
  return { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, volumes } } }
}

const statefulSet: Validator = ({ spec }, old) => {
  const causes = [
    ...numbers(spec, 'replicas', 'minReadySeconds', 'revisionHistoryLimit'),
    ...selected(spec, 'statefulset'),
    ...template(withClaims(spec), ['Always']),
  ]
  const { podManagementPolicy: policy } = spec
  if (policy !== 'OrderedReady' && policy !== 'Parallel')
    causes.push(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"))
  const rest = (value: any) => Object.fromEntries(Object.entries(value).filter(([key]) => !changeable.includes(key)))
  if (old && !equal(rest(spec), rest(old.spec)))
    causes.push(
      forbidden(
        'spec',
        `updates to statefulset spec for fields other than ${changeable
          .slice(0, -1)
          .map((field) => `'${field}'`)
          .join(', ')} and 'minReadySeconds' are forbidden`,
      ),
    )
  return causes
}

const daemonSet: Validator = ({ spec }, old) => [
  ...numbers(spec, 'minReadySeconds', 'revisionHistoryLimit'),
  // A missing selector matches nothing, which is all that is said of it.
  ...selected(spec, 'daemonset').filter(({ reason }) => reason !== 'FieldValueRequired'),
  ...template(spec, ['Always']),
  ...(old ? immutable(spec.selector, old.spec.selector, 'spec.selector') : []),
]

function jobSpec(spec: any, path: string): Cause[] {
  const causes = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
  ].flatMap((field) => nonNegative(`${path}.${field}`, spec[field]))
  if (spec.completionMode === 'Indexed' && spec.completions === undefined)
    causes.push(required(`${path}.completions`, `when completion mode is Indexed`))
  causes.push(...template(spec, ['OnFailure', 'Never'], `${path}.template`))
  return causes
}

const job: Validator = ({ metadata, spec }, old) => {
  const causes = jobSpec(spec, 'spec')
  const { labels } = spec.template.metadata ?? {}
  if (spec.selector && !selects(spec.selector, labels))
    causes.push(invalid('spec.template.metadata.labels', sorted(labels), '`selector` does not match template `labels`'))
  if (!old && !spec.manualSelector && spec.selector && metadata.uid) {
    const names = ['', 'batch.kubernetes.io/']
    const expected = names.flatMap((prefix) => [
      [`${prefix}controller-uid`, metadata.uid],
      [`${prefix}job-name`, metadata.name],
    ])
    if (!selects(spec.selector, Object.fromEntries(expected)))
      causes.push(invalid('spec.selector', spec.selector, '`selector` not auto-generated'))
  }
  if (!old) return causes
  if (spec.completionMode !== 'Indexed')
    causes.push(...immutable(spec.completions, old.spec.completions, 'spec.completions'))
  causes.push(...immutable(spec.selector, old.spec.selector, 'spec.selector'))
  // A suspended job that never started may still be told where to run.
  const free = old.spec.suspend === true && !old.status?.startTime
  const fixed = (value: any) => {
    if (!free) return value
    const { nodeSelector: _, affinity: __, tolerations: ___, schedulingGates: ____, containers, ...pod } = value.spec
    const sized = (containers ?? []).map(({ resources: _____, ...container }: any) => container)
    return { labels: undefined, pod: { ...pod, containers: sized } }
  }
  if (!equal(fixed(spec.template), fixed(old.spec.template)))
    causes.push(invalid('spec.template', spec.template, 'field is immutable'))
  return causes
}

const cronJob: Validator = ({ spec, metadata }) => {
  const causes = numbers(spec, 'startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit')
  if (metadata.name?.length > 52)
    causes.push(invalid('metadata.name', metadata.name, 'must be no more than 52 characters'))
  if (!spec.schedule) causes.push(required('spec.schedule'))
  else if (/\b(CRON_)?TZ=/.test(spec.schedule))
    causes.push(
      invalid('spec.schedule', spec.schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    )
  else {
    const problem = scheduleProblem(spec.schedule)
    if (problem) causes.push(invalid('spec.schedule', spec.schedule, problem))
  }
  if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone))
    causes.push(invalid('spec.timeZone', spec.timeZone, `unknown time zone ${spec.timeZone}`))
  causes.push(...jobSpec(spec.jobTemplate.spec, 'spec.jobTemplate.spec'))
  return causes
}

function isTimeZone(zone: string): boolean {
  try {
    return zone !== '' && new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

/** What is wrong with a cron schedule: five fields, or `@daily` and its like, or `@every 1h`. */
export function scheduleProblem(schedule: string): string | undefined {
  if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(schedule)) return undefined
  if (/^@every (\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(schedule)) return undefined
  if (schedule.startsWith('@')) return `unrecognized descriptor: ${schedule}`
  const fields = schedule.trim().split(/\s+/)
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`
  try {
    const { Cron } = createRequire(import.meta.url)('croner')
    new Cron(schedule.replaceAll('?', '*'), { paused: true, mode: '5-part' })
    return undefined
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '')
  }
}

export const workloads: Record<string, Validator> = {
  'apps/Deployment': deployment,
  'apps/ReplicaSet': replicaSet,
  'apps/StatefulSet': statefulSet,
  'apps/DaemonSet': daemonSet,
  'batch/Job': job,
  'batch/CronJob': cronJob,
}
