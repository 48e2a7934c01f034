import type { KubeObject } from '#kube'
import type { ResourceInfo } from '../../machinery/index.ts'
import type { ResourceRequest } from '../request.ts'
import { forbidden, invalid } from '../status.ts'
import { containersOf, type Plugin } from './plugin.ts'
import { violations } from './pod-security-checks.ts'

const prefix = 'pod-security.kubernetes.io/'

/** Where a workload keeps its pod template. */
const templates: Record<string, (object: any) => any> = {
  'apps/deployments': (object) => object.spec?.template,
  'apps/replicasets': (object) => object.spec?.template,
  'apps/statefulsets': (object) => object.spec?.template,
  'apps/daemonsets': (object) => object.spec?.template,
  'batch/jobs': (object) => object.spec?.template,
  'batch/cronjobs': (object) => object.spec?.jobTemplate?.spec?.template,
  'core/replicationcontrollers': (object) => object.spec?.template,
  'core/podtemplates': (object) => object.template,
}

/** Pod Security Standards by the namespace's labels: `enforce` refuses pods, `warn` warns about pods and workloads alike. */
export const podSecurity: Plugin = {
  validate(rr, { object, old, operation }) {
    if (rr.resource === 'core/namespaces') {
      checkLabels(rr.info, object.metadata)
      if (old && rr.subresource === undefined) rr.warnings.push(...strangers(rr, object.metadata, old.metadata))
    }
    if (rr.namespace === undefined || (rr.subresource !== undefined && rr.subresource !== 'ephemeralcontainers')) return
    const pod = rr.resource === 'core/pods'
    const template = pod ? object : templates[rr.resource]?.(object)
    if (!template?.spec) return
    const labels = rr.api.store.peek('core/namespaces', rr.namespace)?.object.metadata.labels ?? {}
    const enforce = labels[`${prefix}enforce`]
    const warn = labels[`${prefix}warn`]
    if (!enforce && !warn) return
    // A pod whose containers did not change was judged when it was created.
    if (pod && operation === 'UPDATE' && images(object) === images(old)) return
    if (pod && enforce && enforce !== 'privileged') {
      const found = violations(enforce, template)
      if (found.length > 0) {
        const level = `${enforce}:${labels[`${prefix}enforce-version`] ?? 'latest'}`
        throw forbidden(rr.info, object.metadata.name ?? '', `violates PodSecurity "${level}": ${found.join(', ')}`)
      }
    }
    if (!warn || warn === 'privileged') return
    const found = violations(warn, template)
    if (found.length > 0) {
      rr.warnings.push(
        `would violate PodSecurity "${warn}:${labels[`${prefix}warn-version`] ?? 'latest'}": ${found.join(', ')}`,
      )
    }
  },
}

/** The level and version that a mode has by a namespace's labels. */
function policy(labels: Record<string, string>, mode: string): { level: string; version: string } {
  return { level: labels[prefix + mode] ?? 'privileged', version: labels[`${prefix}${mode}-version`] ?? 'latest' }
}

/** Warnings about the pods that a namespace has already and would no longer take. */
function strangers(rr: ResourceRequest, next: KubeObject['metadata'], old: KubeObject['metadata']): string[] {
  const [after, before] = [policy(next.labels ?? {}, 'enforce'), policy(old.labels ?? {}, 'enforce')]
  const stricter = levels.indexOf(after.level) > levels.indexOf(before.level)
  if (after.level === 'privileged' || (after.version === before.version && !stricter)) return []
  const pods = new Map<string, string[]>()
  for (const { object } of rr.api.store.list('core/pods', next.name)) {
    const reasons = violations(after.level, { metadata: object.metadata, spec: object['spec'] }).map(
      (text) => text.split(' (', 1)[0],
    )
    if (reasons.length > 0)
      pods.set(reasons.join(', '), [...(pods.get(reasons.join(', ')) ?? []), object.metadata.name!])
  }
  if (pods.size === 0) return []
  const which = `${after.level}:${after.version}`
  const others = (count: number) =>
    count === 0 ? '' : count === 1 ? ' (and 1 other pod)' : ` (and ${count} other pods)`
  return [
    `existing pods in namespace ${JSON.stringify(next.name)} violate the new PodSecurity enforce level ${JSON.stringify(which)}`,
    ...[...pods].map(([reason, names]) => `${names.sort()[0]}${others(names.length - 1)}: ${reason}`).sort(),
  ]
}

const levels = ['privileged', 'baseline', 'restricted']

/** A namespace that asks for a level that does not exist would be protected by none. */
function checkLabels(info: ResourceInfo, { name, labels = {} }: KubeObject['metadata']): void {
  const problems = ['enforce', 'audit', 'warn'].flatMap((mode) => {
    const level = labels[prefix + mode]
    const version = labels[`${prefix}${mode}-version`]
    return [
      ...(level !== undefined && !levels.includes(level) ? [[mode, level, `must be one of ${levels.join(', ')}`]] : []),
      ...(version !== undefined && !/^(latest|v1\.(0|[1-9]\d*))$/.test(version)
        ? [[`${mode}-version`, version, 'must be "latest" or "v1.x"']]
        : []),
    ]
  })
  if (problems.length === 0) return
  const causes = problems.map(([label, value, problem]) => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${JSON.stringify(value)}: ${problem}`,
    field: `metadata.labels[${prefix}${label}]`,
  }))
  throw invalid(info, name ?? '', causes)
}

function images(pod: any): string {
  return containersOf(pod?.spec)
    .map((container) => container.image)
    .join()
}
