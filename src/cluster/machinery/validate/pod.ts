import { equal } from '#lib'
import { duplicate, forbidden, invalid, nonNegative, notFound, notSupported, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { validateContainer } from './container.ts'
import { validateLabels } from './metadata.ts'
import { dnsLabel, dnsSubdomain } from './names.ts'

/** The rules of a pod's spec, or a template's, that users meet (pkg/apis/core/validation ValidatePodSpec). */
export function validatePodSpec(spec: any, path: string): Cause[] {
  const causes: Cause[] = []
  const volumes = validateVolumes(spec.volumes, `${path}.volumes`, causes)
  const names = new Set<string>()
  if (!spec.containers?.length) causes.push(required(`${path}.containers`))
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'])
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const at = `${path}.${list}[${i}]`
      if (!container.name) causes.push(required(`${at}.name`))
      else {
        for (const problem of dnsLabel(container.name)) causes.push(invalid(`${at}.name`, container.name, problem))
        if (names.has(container.name)) causes.push(duplicate(`${at}.name`, container.name))
        names.add(container.name)
      }
      causes.push(...validateContainer(container, at, list))
      if (container.securityContext?.procMount === 'Unmasked' && spec.hostUsers !== false)
        causes.push(
          invalid(`${at}.securityContext.procMount`, 'Unmasked', '`hostUsers` must be false to use `Unmasked`'),
        )
      validateMounts(container, at, volumes, causes)
      causes.push(...validateClaims(container.resources?.claims, `${at}.resources.claims`, spec.resourceClaims))
      causes.push(...validateResizePolicy(container.resizePolicy, `${at}.resizePolicy`, spec.restartPolicy))
    }
  causes.push(...nonNegative(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds))
  const { activeDeadlineSeconds } = spec
  if (activeDeadlineSeconds !== undefined && (activeDeadlineSeconds < 1 || activeDeadlineSeconds > 2 ** 31 - 1))
    causes.push(
      invalid(`${path}.activeDeadlineSeconds`, activeDeadlineSeconds, 'must be between 1 and 2147483647, inclusive'),
    )
  if (spec.dnsPolicy === 'None') {
    if (!spec.dnsConfig) causes.push(required(`${path}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None'))
    else if (!spec.dnsConfig.nameservers?.length)
      causes.push(
        required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
      )
  }
  causes.push(...validateLabels(spec.nodeSelector, `${path}.nodeSelector`))
  for (const [field, rule] of [
    ['serviceAccountName', dnsSubdomain],
    ['nodeName', dnsSubdomain],
    ['hostname', dnsLabel],
    ['subdomain', dnsLabel],
    ['priorityClassName', dnsSubdomain],
  ] as const)
    if (spec[field])
      for (const problem of rule(spec[field])) causes.push(invalid(`${path}.${field}`, spec[field], problem))
  for (const [i, toleration] of (spec.tolerations ?? []).entries())
    if (!toleration.key && toleration.operator !== 'Exists')
      causes.push(
        invalid(
          `${path}.tolerations[${i}].operator`,
          toleration.operator ?? '',
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      )
  for (const [i, spread] of (spec.topologySpreadConstraints ?? []).entries()) {
    const at = `${path}.topologySpreadConstraints[${i}]`
    if (!(spread.maxSkew > 0)) causes.push(invalid(`${at}.maxSkew`, spread.maxSkew ?? 0, 'must be greater than zero'))
    if (!spread.topologyKey) causes.push(required(`${at}.topologyKey`, 'can not be empty'))
    if (!spread.whenUnsatisfiable)
      causes.push(notSupported(`${at}.whenUnsatisfiable`, '', ['DoNotSchedule', 'ScheduleAnyway']))
  }
  return causes
}

function validateClaims(claims: any[] | undefined, path: string, known: any[] | undefined): Cause[] {
  const names = (known ?? []).map(({ name }) => name).sort()
  const which = names.length === 0 ? ' which is empty' : `: ${names.join(', ')}`
  return (claims ?? []).flatMap(({ name }, i): Cause[] => {
    if (names.includes(name)) return []
    const cause = notFound(`${path}[${i}]`, name)
    return [{ ...cause, message: `${cause.message}: must be one of the names in pod.spec.resourceClaims${which}` }]
  })
}

function validateResizePolicy(policies: any[] | undefined, path: string, restartPolicy: string | undefined): Cause[] {
  const causes: Cause[] = []
  const seen = new Set<string>()
  for (const [i, { resourceName, restartPolicy: asked }] of (policies ?? []).entries()) {
    if (seen.has(resourceName)) causes.push(duplicate(`${path}[${i}]`, resourceName))
    seen.add(resourceName)
    if (!resourceName) causes.push(required(path))
    else if (resourceName !== 'cpu' && resourceName !== 'memory')
      causes.push(notSupported(path, resourceName, ['cpu', 'memory']))
    if (!asked) causes.push(required(path))
    else if (asked !== 'NotRequired' && asked !== 'RestartContainer')
      causes.push(notSupported(path, asked, ['NotRequired', 'RestartContainer']))
    if (restartPolicy === 'Never' && asked !== 'NotRequired')
      causes.push(invalid(path, asked, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
  }
  return causes
}

function validateVolumes(volumes: any[] | undefined, path: string, causes: Cause[]): Set<string> {
  const names = new Set<string>()
  for (const [i, volume] of (volumes ?? []).entries()) {
    const at = `${path}[${i}]`
    if (!volume.name) causes.push(required(`${at}.name`))
    else {
      for (const problem of dnsLabel(volume.name)) causes.push(invalid(`${at}.name`, volume.name, problem))
      if (names.has(volume.name)) causes.push(duplicate(`${at}.name`, volume.name))
      names.add(volume.name)
    }
    const sources = Object.keys(volume).filter((key) => key !== 'name')
    for (const extra of sources.slice(1))
      causes.push(forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type'))
    if (volume.secret && !volume.secret.secretName) causes.push(required(`${at}.secret.secretName`))
    if (volume.configMap && !volume.configMap.name) causes.push(required(`${at}.configMap.name`))
    if (volume.hostPath && !volume.hostPath.path) causes.push(required(`${at}.hostPath.path`))
    if (volume.persistentVolumeClaim && !volume.persistentVolumeClaim.claimName)
      causes.push(required(`${at}.persistentVolumeClaim.claimName`))
    for (const source of ['secret', 'configMap'])
      for (const [j, item] of (volume[source]?.items ?? []).entries()) {
        if (!item.key) causes.push(required(`${at}.${source}.items[${j}].key`))
        validatePath(item.path, `${at}.${source}.items[${j}].path`, causes)
      }
  }
  return names
}

function validatePath(path: string | undefined, field: string, causes: Cause[]): void {
  if (!path) causes.push(required(field))
  else if (path.startsWith('/')) causes.push(invalid(field, path, 'must be a relative path'))
  else if (path.split('/').includes('..')) causes.push(invalid(field, path, "must not contain '..'"))
}

function validateMounts(container: any, path: string, volumes: Set<string>, causes: Cause[]): void {
  const seen = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`
    if (!mount.name) causes.push(required(`${at}.name`))
    else if (!volumes.has(mount.name)) causes.push(notFound(`${at}.name`, mount.name))
    if (!mount.mountPath) causes.push(required(`${at}.mountPath`))
    else if (seen.has(mount.mountPath)) causes.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'))
    seen.add(mount.mountPath)
    for (const field of ['subPath', 'subPathExpr'])
      if (mount[field]) validatePath(mount[field], `${at}.${field}`, causes)
    if (mount.subPath && mount.subPathExpr)
      causes.push(invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
  }
}

const unchangeable =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** What a Pod's spec may become (ValidatePodUpdate). Only a binding gives it a node. */
export function validatePodUpdate(spec: any, old: any): Cause[] {
  const rest = (pod: any) => {
    const { activeDeadlineSeconds: _, tolerations: __, schedulingGates: ___, ...fields } = pod
    const images = (list: any[] = []) => list.map((container) => ({ ...container, image: '' }))
    return {
      ...fields,
      containers: images(pod.containers),
      initContainers: images(pod.initContainers),
      terminationGracePeriodSeconds: old.terminationGracePeriodSeconds < 0 ? 1 : pod.terminationGracePeriodSeconds,
    }
  }
  const [before, after] = [old.activeDeadlineSeconds, spec.activeDeadlineSeconds]
  if (before !== undefined && after === undefined)
    return [invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value')]
  if (before !== undefined && after > before)
    return [invalid('spec.activeDeadlineSeconds', after, 'must be less than or equal to previous value')]
  const kept = (old.tolerations ?? []).every((one: any) =>
    (spec.tolerations ?? []).some((other: any) => equal(one, other)),
  )
  return kept && equal(rest(spec), rest(old)) ? [] : [forbidden('spec', unchangeable)]
}
