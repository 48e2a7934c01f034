import { equal } from '#lib'
import { forbidden, invalid, required, tooLong } from '../causes.ts'
import type { Cause, ResourceInfo } from '../types.ts'
import { dnsLabel, dnsSubdomain, labelValue, pathSegment, qualifiedName } from './names.ts'

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])
const annotationsLimit = 262_144

function nameRule(info: ResourceInfo): (name: string) => string[] {
  switch (info.group) {
    case '':
      // Services may start with a digit since 1.35 (RelaxedServiceNameValidation): the wider rule is used.
      if (info.kind === 'Namespace' || info.kind === 'Service') return dnsLabel
      return dnsSubdomain
    case 'rbac.authorization.k8s.io':
      return pathSegment
    case 'apiregistration.k8s.io':
    case 'certificates.k8s.io':
      return dnsSubdomain
    default:
      return dnsSubdomain
  }
}

/** The rules of metadata that hold for every kind (apimachinery ValidateObjectMeta and ValidateObjectMetaUpdate). */
export function validateMetadata(info: ResourceInfo, object: any, old: any | undefined): Cause[] {
  const { metadata } = object
  const causes: Cause[] = []
  const rule = nameRule(info)
  if (metadata.generateName)
    for (const problem of rule(`${metadata.generateName}x`.replace(/-x$/, 'x')))
      causes.push(invalid('metadata.generateName', metadata.generateName, problem))
  if (metadata.name)
    for (const problem of rule(metadata.name)) causes.push(invalid('metadata.name', metadata.name, problem))
  else if (!metadata.generateName && info.verbs.includes('get'))
    causes.push(required('metadata.name', 'name or generateName is required'))
  if (metadata.namespace)
    for (const problem of dnsLabel(metadata.namespace))
      causes.push(invalid('metadata.namespace', metadata.namespace, problem))
  causes.push(...validateLabels(metadata.labels, 'metadata.labels'))
  causes.push(...validateAnnotations(metadata.annotations, 'metadata.annotations'))
  for (const owner of metadata.ownerReferences ?? []) {
    const path = 'metadata.ownerReferences'
    for (const field of ['apiVersion', 'kind', 'name', 'uid'])
      if (!owner[field])
        causes.push(
          invalid(
            `${path}.${field}`,
            owner[field] ?? '',
            field === 'apiVersion' ? 'version must not be empty' : 'must not be empty',
          ),
        )
  }
  for (const owner of metadata.ownerReferences ?? [])
    if (owner.kind === 'Event' && (owner.apiVersion === 'v1' || owner.apiVersion === 'events.k8s.io/v1')) {
      const [version, group = ''] = owner.apiVersion.split('/').reverse()
      const problem = `${group}/${version}, Kind=Event is disallowed from being an owner`
      causes.push(invalid('metadata.ownerReferences', owner, problem))
    }
  const controllers = (metadata.ownerReferences ?? []).filter((owner: any) => owner.controller === true)
  if (controllers.length > 1)
    causes.push(
      invalid(
        'metadata.ownerReferences',
        metadata.ownerReferences,
        `Only one reference can have Controller set to true. Found "true" in references for ${controllers[0].kind}/${controllers[0].name} and ${controllers[1].kind}/${controllers[1].name}`,
      ),
    )
  for (const [i, finalizer] of (metadata.finalizers ?? []).entries()) {
    const problems = qualifiedName(finalizer)
    for (const problem of problems) causes.push(invalid('metadata.finalizers', finalizer, problem))
    if (problems.length === 0 && !finalizer.includes('/') && !standardFinalizers.has(finalizer)) {
      const problem = 'name is neither a standard finalizer name nor is it fully qualified'
      // Definitions carry one that is neither.
      if (info.custom || info.group === 'apiextensions.k8s.io' || info.group === 'apiregistration.k8s.io') continue
      causes.push(invalid(`metadata.finalizers[${i}]`, finalizer, problem))
    }
  }
  if (old) causes.push(...validateUpdate(metadata, old.metadata))
  return causes
}

function validateUpdate(metadata: any, old: any): Cause[] {
  const causes: Cause[] = []
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'])
    if (metadata[field] !== undefined && old[field] !== undefined && metadata[field] !== old[field])
      causes.push(invalid(`metadata.${field}`, metadata[field], 'field is immutable'))
  if (old.deletionTimestamp) {
    const known = new Set(old.finalizers ?? [])
    const added = (metadata.finalizers ?? []).filter((finalizer: string) => !known.has(finalizer))
    if (added.length > 0)
      causes.push(
        forbidden(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name: string) => JSON.stringify(name)).join(', ')}}`,
        ),
      )
  }
  return causes
}

export function validateLabels(labels: Record<string, string> | undefined, path: string): Cause[] {
  const causes: Cause[] = []
  for (const key in labels) {
    for (const problem of qualifiedName(key)) causes.push(invalid(path, key, problem))
    for (const problem of labelValue(labels[key])) causes.push(invalid(path, labels[key], problem))
  }
  return causes
}

export function validateAnnotations(annotations: Record<string, string> | undefined, path: string): Cause[] {
  const causes: Cause[] = []
  let size = 0
  for (const key in annotations) {
    for (const problem of qualifiedName(key.toLowerCase())) causes.push(invalid(path, key, problem))
    size += Buffer.byteLength(key) + Buffer.byteLength(annotations[key])
  }
  if (size > annotationsLimit) causes.push(tooLong(path, annotationsLimit))
  return causes
}

/** `labelSelector` rules (ValidateLabelSelector). */
export function validateSelector(selector: any, path: string): Cause[] {
  if (!selector) return []
  const causes = validateLabels(selector.matchLabels, `${path}.matchLabels`)
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    const values = expression.values?.length ?? 0
    if (expression.operator === 'In' || expression.operator === 'NotIn') {
      if (values === 0) causes.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (expression.operator === 'Exists' || expression.operator === 'DoesNotExist') {
      if (values > 0)
        causes.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else causes.push(invalid(`${at}.operator`, expression.operator ?? '', 'not a valid selector operator'))
    for (const problem of qualifiedName(expression.key ?? ''))
      causes.push(invalid(`${at}.key`, expression.key ?? '', problem))
  }
  return causes
}

/** Whether labels satisfy a selector that was validated. */
export function selects(selector: any, labels: Record<string, string> = {}): boolean {
  for (const key in selector?.matchLabels) if (labels[key] !== selector.matchLabels[key]) return false
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    const has = Object.hasOwn(labels, key)
    if (operator === 'In' && !(has && values?.includes(labels[key]))) return false
    if (operator === 'NotIn' && has && values?.includes(labels[key])) return false
    if (operator === 'Exists' && !has) return false
    if (operator === 'DoesNotExist' && has) return false
  }
  return true
}

/** A field that may not differ from the stored one. */
export function immutable(value: unknown, old: unknown, path: string): Cause[] {
  return equal(value, old) ? [] : [invalid(path, value, 'field is immutable')]
}
