import { parseQuantity } from '#lib'
import { duplicate, forbidden, invalid, nonNegative, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { envVarName, portName, portNumber } from './names.ts'

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep']
const sources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef']

/** The rules of one container (its name is checked with the others'). */
export function validateContainer(container: any, path: string, list: string): Cause[] {
  const causes: Cause[] = []
  if (!container.image) causes.push(required(`${path}.image`))
  else if (container.image !== container.image.trim())
    causes.push(invalid(`${path}.image`, container.image, 'must not have leading or trailing whitespace'))
  validatePorts(container.ports, `${path}.ports`, causes)
  for (const [i, env] of (container.env ?? []).entries()) validateEnv(env, `${path}.env[${i}]`, causes)
  for (const [i, from] of (container.envFrom ?? []).entries()) {
    const at = `${path}.envFrom[${i}]`
    if (!from.configMapRef && !from.secretRef)
      causes.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (from.configMapRef && from.secretRef)
      causes.push(invalid(at, '', 'may not have more than one field specified at a time'))
    for (const ref of ['configMapRef', 'secretRef'])
      if (from[ref] && !from[ref].name) causes.push(required(`${at}.${ref}.name`))
  }
  validateResources(container.resources, `${path}.resources`, causes)
  const probes = list === 'containers' || container.restartPolicy === 'Always'
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[kind]
    if (!probe) continue
    const at = `${path}.${kind}`
    if (!probes) causes.push(forbidden(at, 'may not be set for init containers without restartPolicy=Always'))
    validateHandler(probe, at, causes)
    for (const field of [
      'initialDelaySeconds',
      'timeoutSeconds',
      'periodSeconds',
      'successThreshold',
      'failureThreshold',
    ])
      causes.push(...nonNegative(`${at}.${field}`, probe[field]))
    if (kind !== 'readinessProbe' && probe.successThreshold !== 1)
      causes.push(invalid(`${at}.successThreshold`, probe.successThreshold, 'must be 1'))
  }
  for (const hook of Object.keys(container.lifecycle ?? {}))
    if (handlers.some((handler) => container.lifecycle[hook]?.[handler]) || hook !== 'stopSignal')
      validateHandler(container.lifecycle[hook], `${path}.lifecycle.${hook}`, causes)
  return causes
}

function validatePorts(ports: any[] | undefined, path: string, causes: Cause[]): void {
  const names = new Set<string>()
  for (const [i, port] of (ports ?? []).entries()) {
    const at = `${path}[${i}]`
    if (port.name) {
      for (const problem of portName(port.name)) causes.push(invalid(`${at}.name`, port.name, problem))
      if (names.has(port.name)) causes.push(duplicate(`${at}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) causes.push(required(`${at}.containerPort`))
    else
      for (const problem of portNumber(port.containerPort))
        causes.push(invalid(`${at}.containerPort`, port.containerPort, problem))
    if (port.hostPort)
      for (const problem of portNumber(port.hostPort)) causes.push(invalid(`${at}.hostPort`, port.hostPort, problem))
  }
}

function validateEnv(env: any, path: string, causes: Cause[]): void {
  if (!env.name) causes.push(required(`${path}.name`))
  else for (const problem of envVarName(env.name)) causes.push(invalid(`${path}.name`, env.name, problem))
  const { valueFrom } = env
  if (!valueFrom) return
  const at = `${path}.valueFrom`
  const used = sources.filter((source) => valueFrom[source])
  if (used.length === 0)
    causes.push(
      invalid(
        at,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    )
  if (used.length > 1) causes.push(invalid(at, '', 'may not have more than one field specified at a time'))
  if (env.value) causes.push(invalid(at, '', 'may not be specified when `value` is not empty'))
  for (const ref of ['configMapKeyRef', 'secretKeyRef'])
    if (valueFrom[ref]) {
      if (!valueFrom[ref].name) causes.push(required(`${at}.${ref}.name`))
      if (!valueFrom[ref].key) causes.push(required(`${at}.${ref}.key`))
    }
  if (valueFrom.fieldRef && !valueFrom.fieldRef.fieldPath) causes.push(required(`${at}.fieldRef.fieldPath`))
}

function validateResources(resources: any, path: string, causes: Cause[]): void {
  for (const list of ['limits', 'requests'])
    for (const name in resources?.[list]) {
      const amount = parseQuantity(resources[list][name])
      if (amount !== undefined && amount < 0)
        causes.push(invalid(`${path}.${list}[${name}]`, resources[list][name], 'must be greater than or equal to 0'))
    }
  for (const name in resources?.requests) {
    const limit = resources.limits?.[name]
    // What is no resource of Kubernetes' own cannot be shared: as much is given as is allowed.
    if (limit === undefined && name.includes('/') && !name.includes('kubernetes.io/'))
      causes.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    if (limit === undefined) continue
    if ((parseQuantity(resources.requests[name]) ?? 0) > (parseQuantity(limit) ?? 0))
      causes.push(
        invalid(
          `${path}.requests`,
          resources.requests[name],
          `must be less than or equal to ${name} limit of ${limit}`,
        ),
      )
  }
}

function validateHandler(handler: any, path: string, causes: Cause[]): void {
  const used = handlers.filter((name) => handler?.[name])
  if (used.length === 0) causes.push(required(path, 'must specify a handler type'))
  for (const extra of used.slice(1))
    causes.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 handler type'))
  if (handler?.exec && !handler.exec.command?.length) causes.push(required(`${path}.exec.command`))
  for (const kind of ['httpGet', 'tcpSocket', 'grpc']) {
    if (!handler?.[kind]) continue
    const { port } = handler[kind]
    const problems = typeof port === 'string' ? portName(port) : portNumber(port)
    for (const problem of problems) causes.push(invalid(`${path}.${kind}.port`, port ?? 0, problem))
  }
}
