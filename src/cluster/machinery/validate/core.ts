import { isIP } from 'node:net'
import { equal, parseQuantity } from '#lib'
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../causes.ts'
import type { Cause } from '../types.ts'
import { immutable, validateLabels } from './metadata.ts'
import { configKey, dnsLabel, dnsSubdomain, portName, portNumber, qualifiedName } from './names.ts'
import { validatePodSpec, validatePodUpdate } from './pod.ts'
import type { Validator } from './workloads.ts'

const maxData = 1 << 20

function data(object: any, fields: string[], old: any): Cause[] {
  const causes: Cause[] = []
  let size = 0
  for (const field of fields)
    for (const key in object[field]) {
      for (const problem of configKey(key)) causes.push(invalid(`${field}[${key}]`, key, problem))
      const value = object[field][key]
      size +=
        field === 'data' && object.kind === 'ConfigMap' ? Buffer.byteLength(value) : Buffer.byteLength(value, 'base64')
      if (field === 'data' && object.binaryData?.[key] !== undefined)
        causes.push(invalid(`${field}[${key}]`, key, `duplicate of key present in binaryData`))
    }
  if (size > maxData) causes.push(tooLong(object.kind === 'Secret' ? 'data' : '', maxData))
  if (old?.immutable === true) {
    if (object.immutable !== true) causes.push(forbidden('immutable', 'field is immutable when `immutable` is set'))
    for (const field of fields)
      if (!equal(object[field], old[field])) causes.push(forbidden(field, 'field is immutable when `immutable` is set'))
  }
  return causes
}

const secretKeys: Record<string, string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

const secret: Validator = (object, old) => {
  const causes = data(object, ['data'], old)
  for (const key of secretKeys[object.type] ?? [])
    if (object.data?.[key] === undefined) causes.push(required(`data[${key}]`))
    else if (key.startsWith('.docker')) {
      try {
        JSON.parse(Buffer.from(object.data[key], 'base64').toString())
      } catch {
        causes.push(invalid(`data[${key}]`, '<secret contents redacted>', 'unexpected end of JSON input'))
      }
    }
  const account = 'kubernetes.io/service-account.name'
  if (object.type === 'kubernetes.io/service-account-token' && !object.metadata.annotations?.[account])
    causes.push(required(`metadata.annotations[${account}]`))
  if (object.type === 'kubernetes.io/basic-auth' && !object.data?.username && !object.data?.password)
    causes.push(required('data[username]'), required('data[password]'))
  if (old) causes.push(...immutable(object.type, old.type, 'type'))
  return causes
}

const service: Validator = ({ spec }, old) => {
  const causes: Cause[] = []
  const { type, ports = [], clusterIP } = spec
  if (ports.length === 0 && type !== 'ExternalName' && clusterIP !== 'None') causes.push(required('spec.ports'))
  if (type === 'ExternalName') {
    if (!spec.externalName) causes.push(required('spec.externalName'))
    else
      for (const problem of dnsSubdomain(spec.externalName.replace(/\.$/, '')))
        causes.push(invalid('spec.externalName', spec.externalName, problem))
  } else if (clusterIP === 'None' && type !== 'ClusterIP')
    causes.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`))
  for (const [i, ip] of (spec.clusterIPs ?? (clusterIP ? [clusterIP] : [])).entries())
    if (ip !== 'None' && isIP(ip) === 0)
      causes.push(invalid(`spec.clusterIPs[${i}]`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
  causes.push(...validateLabels(spec.selector, 'spec.selector'))
  const names = new Set<string>()
  const used = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `spec.ports[${i}]`
    if (!port.name) {
      if (ports.length > 1) causes.push(required(`${at}.name`))
    } else {
      for (const problem of dnsLabel(port.name)) causes.push(invalid(`${at}.name`, port.name, problem))
      if (names.has(port.name)) causes.push(duplicate(`${at}.name`, port.name))
      names.add(port.name)
    }
    for (const problem of portNumber(port.port)) causes.push(invalid(`${at}.port`, port.port, problem))
    const problems = typeof port.targetPort === 'string' ? portName(port.targetPort) : portNumber(port.targetPort)
    for (const problem of problems) causes.push(invalid(`${at}.targetPort`, port.targetPort, problem))
    const key = `${port.protocol}/${port.port}`
    // Only what is compared is shown, of Go's whole struct.
    const compared = {
      Name: '',
      Protocol: port.protocol,
      AppProtocol: null,
      Port: port.port,
      TargetPort: 0,
      NodePort: 0,
    }
    if (used.has(key)) causes.push(duplicate(at, compared))
    used.add(key)
    if (port.nodePort && type !== 'NodePort' && type !== 'LoadBalancer')
      causes.push(forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${type}'`))
  }
  if (
    old?.spec.clusterIP &&
    old.spec.type !== 'ExternalName' &&
    type !== 'ExternalName' &&
    clusterIP !== old.spec.clusterIP
  )
    causes.push(invalid('spec.clusterIPs[0]', spec.clusterIPs ?? [clusterIP ?? ''], 'may not change once set'))
  return causes
}

const claim: Validator = ({ spec }, old) => {
  const causes: Cause[] = []
  if (!spec.accessModes?.length) causes.push(required('spec.accessModes', 'at least 1 access mode is required'))
  const storage = spec.resources?.requests?.storage
  if (!storage) causes.push(required('spec.resources[storage]'))
  else if ((parseQuantity(storage) ?? 0) <= 0)
    causes.push(invalid('spec.resources[storage]', storage, 'must be greater than zero'))
  const rest = ({ resources: _, volumeName: __, volumeAttributesClassName: ___, ...fields }: any) => fields
  if (old && !equal(rest(spec), rest(old.spec)))
    causes.push(
      forbidden(
        'spec',
        'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ),
    )
  return causes
}

const namespace: Validator = ({ spec }) => {
  const bad = (spec.finalizers ?? []).findIndex((name: string) => name !== 'kubernetes' && !name.includes('/'))
  return bad >= 0
    ? [
        invalid(
          `spec.finalizers[${bad}]`,
          spec.finalizers[bad],
          'name is neither a standard finalizer name nor is it fully qualified',
        ),
      ]
    : []
}

/** Each pair in order: the name of the smaller amount, what it is called, and the same of the larger one. */
const ordered = [
  ['min', 'min', 'max', 'max', 'min'],
  ['min', 'min', 'defaultRequest', 'default request', 'defaultRequest'],
  ['defaultRequest', 'default request', 'max', 'max', 'defaultRequest'],
  ['defaultRequest', 'default request', 'default', 'default limit', 'defaultRequest'],
  ['min', 'min', 'default', 'default', 'default'],
  ['default', 'default', 'max', 'max', 'default'],
] as const

/** Of default and its bounds the bound is shown, of all else the amount itself. */
const shownOf = (smaller: string, larger: string) =>
  larger === 'default' && smaller === 'min' ? 'min' : smaller === 'default' ? 'max' : undefined

const limitRange: Validator = ({ spec }) =>
  (spec.limits ?? []).flatMap((item: any, i: number): Cause[] => {
    const at = `spec.limits[${i}]`
    if (!item.type) return [notSupported(`${at}.type`, '', ['Pod', 'Container', 'PersistentVolumeClaim'])]
    const fields = item.type === 'Pod' ? ['default', 'defaultRequest'] : []
    const causes = fields
      .filter((field) => item[field] !== undefined)
      .map((field) => forbidden(`${at}.${field}`, "may not be specified when `type` is 'Pod'"))
    if (item.type === 'PersistentVolumeClaim' && !item.min?.storage && !item.max?.storage)
      causes.push(
        required(`${at}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
      )
    const names = new Set(
      ['min', 'max', 'default', 'defaultRequest'].flatMap((field) => Object.keys(item[field] ?? {})),
    )
    for (const name of names)
      for (const [smaller, called, larger, other, blamed] of ordered) {
        if (fields.includes(smaller) || fields.includes(larger)) continue
        const [least, most] = [item[smaller]?.[name], item[larger]?.[name]]
        if (least === undefined || most === undefined) continue
        if ((parseQuantity(least) ?? 0) <= (parseQuantity(most) ?? 0)) continue
        const shown = item[shownOf(smaller, larger) ?? blamed][name]
        causes.push(
          invalid(`${at}.${blamed}[${name}]`, shown, `${called} value ${least} is greater than ${other} value ${most}`),
        )
      }
    return causes
  })

const countedOnly = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
])
const measured = new Set(['cpu', 'memory', 'ephemeral-storage'])

/** Names that a quota may have without a domain. */
function quotable(name: string): boolean {
  const bare = name.replace(/^(requests|limits)\./, '')
  return countedOnly.has(name) || measured.has(bare) || name === 'requests.storage' || bare.startsWith('hugepages-')
}

const quota: Validator = ({ spec }) =>
  Object.entries<string>(spec?.hard ?? {}).flatMap(([name, amount]) => {
    const field = `spec.hard[${name}]`
    const causes = qualifiedName(name).map((problem) => invalid(field, name, problem))
    if (!name.includes('/') && !quotable(name)) {
      causes.push(invalid(field, name, 'must be a standard resource type or fully qualified'))
      causes.push(invalid(field, name, 'must be a standard resource for quota'))
    }
    const value = parseQuantity(amount) ?? 0
    if (value < 0) causes.push(invalid(field, amount, 'must be greater than or equal to 0'))
    if ((countedOnly.has(name) || name.startsWith('count/')) && !Number.isInteger(value))
      causes.push(invalid(field, amount, 'must be an integer'))
    return causes
  })

export const core: Record<string, Validator> = {
  '/Pod': (object, old) => [
    ...validatePodSpec(object.spec, 'spec'),
    ...(old ? validatePodUpdate(object.spec, old.spec) : []),
  ],
  '/PodTemplate': (object) => validatePodSpec(object.template.spec, 'template.spec'),
  '/ConfigMap': (object, old) => data(object, ['data', 'binaryData'], old),
  '/Secret': secret,
  '/Service': service,
  '/PersistentVolumeClaim': claim,
  '/Namespace': namespace,
  '/LimitRange': limitRange,
  '/ResourceQuota': quota,
}
