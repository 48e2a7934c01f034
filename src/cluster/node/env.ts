import type { objects } from '#kube'
import { CuddleError } from '#lib'
import { type DownwardContext, fieldValue, resourceValue } from './downward.ts'
import { expand } from './expand.ts'

export interface EnvSources {
  /** Undefined when there is no such object. */
  configMap(name: string): objects.ConfigMap | undefined
  secret(name: string): objects.Secret | undefined
  /** The Services of the pod's namespace and default/kubernetes. */
  services: readonly objects.Service[]
}

/** Names of the ConfigMaps and Secrets that a container's environment needs. */
export function environmentRefs(container: objects.Container): { configMaps: string[]; secrets: string[] } {
  const configMaps = new Set<string>()
  const secrets = new Set<string>()
  for (const source of container.envFrom ?? []) {
    if (source.configMapRef?.name) configMaps.add(source.configMapRef.name)
    if (source.secretRef?.name) secrets.add(source.secretRef.name)
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) configMaps.add(valueFrom.configMapKeyRef.name)
    if (valueFrom?.secretKeyRef?.name) secrets.add(valueFrom.secretKeyRef.name)
  }
  return { configMaps: [...configMaps], secrets: [...secrets] }
}

/**
 * A container's environment in the kubelet's order: Services, envFrom, then env, each `$(VAR)` seeing what came before.
 * Throws CuddleError CreateContainerConfigError when a required object or key is missing.
 */
export function containerEnvironment(
  container: objects.Container,
  context: DownwardContext,
  sources: EnvSources,
): Record<string, string> {
  const services = serviceEnvironment(sources.services, context.pod)
  const env: Record<string, string> = { ...services }
  for (const source of container.envFrom ?? []) Object.assign(env, fromObject(source, sources))
  // Service variables are what $(VAR) sees last: a name of env or envFrom wins.
  const seen: Record<string, string> = { ...env }
  for (const item of container.env ?? []) {
    const value = item.valueFrom ? fromRef(item, container.name, context, sources) : expand(item.value ?? '', seen)
    if (value === undefined) continue
    env[item.name] = value
    seen[item.name] = value
  }
  return env
}

function fromObject(source: objects.EnvFromSource, sources: EnvSources): Record<string, string> {
  const ref = source.configMapRef ?? source.secretRef
  const name = ref?.name ?? ''
  const data = source.configMapRef ? sources.configMap(name)?.data : secretData(sources.secret(name))
  const found = source.configMapRef ? sources.configMap(name) : sources.secret(name)
  if (!found && !ref?.optional) throw missing(source.configMapRef ? 'configmap' : 'secret', name)
  const env: Record<string, string> = {}
  for (const [key, value] of Object.entries(data ?? {})) env[`${source.prefix ?? ''}${key}`] = value
  return env
}

function fromRef(
  item: objects.EnvVar,
  container: string,
  context: DownwardContext,
  sources: EnvSources,
): string | undefined {
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = item.valueFrom!
  if (fieldRef) return valid(fieldValue(fieldRef.fieldPath, context), item.name, fieldRef.fieldPath)
  if (resourceFieldRef) {
    return valid(resourceValue(resourceFieldRef as any, container, context), item.name, resourceFieldRef.resource)
  }
  const ref = configMapKeyRef ?? secretKeyRef
  if (!ref) return ''
  const kind = configMapKeyRef ? 'configmap' : 'secret'
  const name = ref.name ?? ''
  const found = configMapKeyRef ? sources.configMap(name) : sources.secret(name)
  const data = configMapKeyRef ? (found as objects.ConfigMap)?.data : secretData(found as objects.Secret)
  if (data && Object.hasOwn(data, ref.key)) return data[ref.key]
  if (ref.optional) return undefined
  if (!found) throw missing(kind, name)
  throw new CuddleError('CreateContainerConfigError', `couldn't find key ${ref.key} in ${kind} "${name}"`)
}

function valid(value: string | undefined, name: string, path: string): string {
  if (value !== undefined) return value
  throw new CuddleError('CreateContainerConfigError', `environment variable ${name}: unsupported field "${path}"`)
}

function missing(kind: string, name: string): CuddleError {
  return new CuddleError('CreateContainerConfigError', `${kind} "${name}" not found`)
}

/** A Secret's data as text; bytes that are no UTF-8 pass as latin1 would not, so they are replaced as in the kubelet. */
export function secretData(secret: objects.Secret | undefined): Record<string, string> | undefined {
  if (!secret) return undefined
  const out: Record<string, string> = {}
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    out[key] = Buffer.from(value, 'base64').toString('utf8')
  }
  return out
}

/** Docker-link style variables for Services with an address (kubelet envvars.FromServices). */
export function serviceEnvironment(services: readonly objects.Service[], pod: objects.Pod): Record<string, string> {
  const env: Record<string, string> = {}
  for (const service of services) {
    const { name, namespace } = service.metadata
    const address = service.spec?.clusterIP
    const ports = service.spec?.ports ?? []
    if (!address || address === 'None' || ports.length === 0) continue
    const master = namespace === 'default' && name === 'kubernetes'
    if (!master && (pod.spec?.enableServiceLinks === false || namespace !== pod.metadata.namespace)) continue
    const prefix = name!.toUpperCase().replaceAll('-', '_')
    env[`${prefix}_SERVICE_HOST`] = address
    env[`${prefix}_SERVICE_PORT`] = String(ports[0].port)
    env[`${prefix}_PORT`] = `tcp://${address}:${ports[0].port}`
    for (const port of ports) {
      if (port.name) env[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port)
      const protocol = (port.protocol ?? 'TCP').toLowerCase()
      const link = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`
      env[link] = `${protocol}://${address}:${port.port}`
      env[`${link}_PROTO`] = protocol
      env[`${link}_PORT`] = String(port.port)
      env[`${link}_ADDR`] = address
    }
  }
  return env
}
