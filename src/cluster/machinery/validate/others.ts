import { equal } from '#lib'
import { forbidden, invalid, notSupported, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { immutable, validateSelector } from './metadata.ts'
import { dnsSubdomain, portNumber } from './names.ts'
import type { Validator } from './workloads.ts'

function backend(value: any, path: string): Cause[] {
  if (!value?.service && !value?.resource) return [invalid(path, '', 'resource or service backend is required')]
  if (!value.service) return []
  const { name, port = {} } = value.service
  const causes: Cause[] = []
  if (!name) causes.push(required(`${path}.service.name`))
  if (port.name && port.number) causes.push(invalid(path, '', 'cannot set both port name & port number'))
  if (!port.name && !port.number) causes.push(required(path, 'port name or number is required'))
  if (port.number)
    for (const problem of portNumber(port.number))
      causes.push(invalid(`${path}.service.port.number`, port.number, problem))
  return causes
}

const ingress: Validator = ({ spec }) => {
  const causes: Cause[] = []
  if (!spec.rules?.length && !spec.defaultBackend)
    causes.push(invalid('spec', null, 'either `defaultBackend` or `rules` must be specified'))
  if (spec.defaultBackend) causes.push(...backend(spec.defaultBackend, 'spec.defaultBackend'))
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const at = `spec.rules[${i}]`
    if (rule.host)
      for (const problem of dnsSubdomain(rule.host.replace(/^\*\./, '')))
        causes.push(invalid(`${at}.host`, rule.host, problem))
    if (rule.http && !rule.http.paths?.length) causes.push(required(`${at}.http.paths`))
    for (const [j, path] of (rule.http?.paths ?? []).entries()) {
      const here = `${at}.http.paths[${j}]`
      if (!path.pathType) causes.push(required(`${here}.pathType`, 'pathType must be specified'))
      else if (path.pathType !== 'ImplementationSpecific' && !path.path?.startsWith('/'))
        causes.push(invalid(`${here}.path`, path.path ?? '', 'must be an absolute path'))
      causes.push(...backend(path.backend, `${here}.backend`))
    }
  }
  return causes
}

const budget: Validator = ({ spec }) => {
  const causes = validateSelector(spec.selector, 'spec.selector')
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    causes.push(
      // Under the names of Go's fields.
      invalid(
        'spec',
        {
          MinAvailable: spec.minAvailable,
          Selector: spec.selector ?? null,
          MaxUnavailable: spec.maxUnavailable,
          UnhealthyPodEvictionPolicy: spec.unhealthyPodEvictionPolicy ?? null,
        },
        'minAvailable and maxUnavailable cannot be both set',
      ),
    )
  for (const field of ['minAvailable', 'maxUnavailable']) {
    const value = spec[field]
    if (typeof value === 'number' && value < 0)
      causes.push(invalid(`spec.${field}`, value, 'must be greater than or equal to 0'))
    if (typeof value === 'string' && !/^\d{1,3}%$/.test(value))
      causes.push(invalid(`spec.${field}`, value, "must be an integer or percentage (e.g '5%')"))
    else if (typeof value === 'string' && Number(value.slice(0, -1)) > 100)
      causes.push(invalid(`spec.${field}`, value, 'must not be greater than 100%'))
  }
  return causes
}

const autoscaler: Validator = ({ spec }) => {
  const causes: Cause[] = []
  if (spec.minReplicas < 1)
    causes.push(invalid('spec.minReplicas', spec.minReplicas, 'must be greater than or equal to 1'))
  const most = spec.maxReplicas ?? 0
  if (most === 0) causes.push(required('spec.maxReplicas', 'must be set and greater than 0'))
  else if (most < 0) causes.push(invalid('spec.maxReplicas', most, 'must be greater than or equal to 1'))
  if (most < spec.minReplicas)
    causes.push(invalid('spec.maxReplicas', most, 'must be greater than or equal to `minReplicas`'))
  const { apiVersion = '' } = spec.scaleTargetRef
  if (!apiVersion.includes('/') && spec.scaleTargetRef.kind !== 'ReplicationController')
    causes.push(invalid('spec.scaleTargetRef.apiVersion', apiVersion, 'apiVersion must specify API group'))
  for (const field of ['kind', 'name'])
    if (!spec.scaleTargetRef[field]) causes.push(required(`spec.scaleTargetRef.${field}`))
  return causes
}

const lease: Validator = ({ spec = {} }) =>
  ['leaseDurationSeconds', 'leaseTransitions'].flatMap((field) => {
    const least = field === 'leaseDurationSeconds' ? 1 : 0
    if (spec[field] === undefined || spec[field] >= least) return []
    return [
      invalid(
        `spec.${field}`,
        spec[field],
        least === 1 ? 'must be greater than 0' : 'must be greater than or equal to 0',
      ),
    ]
  })

const networkPolicy: Validator = ({ spec }) =>
  validateSelector(spec.podSelector, 'spec.podSelector').concat(
    (spec.policyTypes ?? []).length > 2
      ? [invalid('spec.policyTypes', spec.policyTypes, 'may not specify more than two policyTypes')]
      : [],
  )

function rules(list: any[] | undefined, cluster: boolean): Cause[] {
  return (list ?? []).flatMap((rule, i) => {
    const causes: Cause[] = []
    if (!rule.verbs?.length) causes.push(required(`rules[${i}].verbs`, 'verbs must contain at least one value'))
    if (rule.nonResourceURLs?.length) {
      if (!cluster)
        causes.push(
          invalid(
            `rules[${i}].nonResourceURLs`,
            rule.nonResourceURLs,
            'namespaced rules cannot apply to non-resource URLs',
          ),
        )
      return causes
    }
    if (!rule.apiGroups?.length)
      causes.push(required(`rules[${i}].apiGroups`, 'resource rules must supply at least one api group'))
    if (!rule.resources?.length)
      causes.push(required(`rules[${i}].resources`, 'resource rules must supply at least one resource'))
    return causes
  })
}

const binding: Validator = (object, old) => {
  const causes: Cause[] = []
  if (!['Role', 'ClusterRole'].includes(object.roleRef.kind))
    causes.push(
      notSupported(
        'roleRef.kind',
        object.roleRef.kind ?? '',
        object.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole'],
      ),
    )
  if (!object.roleRef.name) causes.push(required('roleRef.name'))
  for (const [i, subject] of (object.subjects ?? []).entries()) {
    if (!subject.name) causes.push(required(`subjects[${i}].name`))
    if (!['ServiceAccount', 'User', 'Group'].includes(subject.kind))
      causes.push(notSupported(`subjects[${i}].kind`, subject.kind ?? '', ['ServiceAccount', 'User', 'Group']))
    if (subject.kind === 'ServiceAccount' && !subject.namespace && object.kind === 'ClusterRoleBinding')
      causes.push(required(`subjects[${i}].namespace`))
  }
  if (old && !equal(object.roleRef, old.roleRef))
    causes.push(invalid('roleRef', object.roleRef, 'cannot change roleRef'))
  return causes
}

export const others: Record<string, Validator> = {
  'networking.k8s.io/Ingress': ingress,
  'networking.k8s.io/NetworkPolicy': networkPolicy,
  'policy/PodDisruptionBudget': budget,
  'autoscaling/HorizontalPodAutoscaler': autoscaler,
  'coordination.k8s.io/Lease': lease,
  'rbac.authorization.k8s.io/Role': (object) => rules(object.rules, false),
  'rbac.authorization.k8s.io/ClusterRole': (object) => rules(object.rules, true),
  'rbac.authorization.k8s.io/RoleBinding': binding,
  'rbac.authorization.k8s.io/ClusterRoleBinding': binding,
  'storage.k8s.io/StorageClass': (object, old) => [
    ...(object.provisioner ? [] : [required('provisioner')]),
    ...(old && !equal(object.parameters, old.parameters)
      ? [forbidden('parameters', 'updates to parameters are forbidden.')]
      : []),
    ...(old && object.provisioner !== old.provisioner
      ? [forbidden('provisioner', 'updates to provisioner are forbidden.')]
      : []),
  ],
  'scheduling.k8s.io/PriorityClass': (object, old) =>
    old && object.value !== old.value ? [forbidden('value', 'may not be changed in an update.')] : [],
  'discovery.k8s.io/EndpointSlice': (object, old) => [
    ...(object.addressType ? [] : [required('addressType')]),
    ...(old ? immutable(object.addressType, old.addressType, 'addressType') : []),
  ],
}
