import type { KubeObject } from '#kube'
import type { ResourceInfo } from '../../machinery/index.ts'
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
    if (rr.resource === 'core/namespaces') checkLabels(rr.info, object.metadata)
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
