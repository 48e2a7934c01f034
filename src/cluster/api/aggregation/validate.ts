import type { KubeObject } from '#kube'
import { rfc3339 } from '#lib'
import type { Cause } from '../../machinery/index.ts'

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** The rules for an APIService (apiregistration/validation.ValidateAPIService). */
export function apiServiceProblems({ metadata, spec = {} }: KubeObject): Cause[] {
  const { group = '', version = '', service, groupPriorityMinimum = 0, versionPriority = 0, caBundle } = spec
  const causes: Cause[] = []
  const invalid = (field: string, value: unknown, text: string) =>
    causes.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${text}` })
  const required = (field: string, text: string) =>
    causes.push({ reason: 'FieldValueRequired', field, message: `Required value${text && `: ${text}`}` })
  const name = `${version}.${group}`
  if (metadata.name !== name) {
    invalid('metadata.name', metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`)
  }
  if (group === '' && version !== 'v1') {
    required('spec.group', 'only v1 may have an empty group and it better be legacy kube')
  } else if (group !== '' && !subdomain.test(group)) {
    const rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
    invalid('spec.group', group, rule)
  }
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
    invalid('spec.groupPriorityMinimum', groupPriorityMinimum, 'must be positive and less than 20000')
  }
  if (versionPriority <= 0 || versionPriority > 1000) {
    invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000')
  }
  if (!service) {
    if (caBundle) {
      const bytes = Buffer.from(caBundle, 'base64').length
      invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle')
    }
    if (spec.insecureSkipTLSVerify) {
      invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify')
    }
    return causes
  }
  if (!service.namespace) required('spec.service.namespace', '')
  if (!service.name) required('spec.service.name', '')
  if (service.port < 1 || service.port > 65_535) {
    invalid('spec.service.port', service.port, 'port is not valid: must be between 1 and 65535, inclusive')
  }
  if (spec.insecureSkipTLSVerify && caBundle) {
    invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present')
  }
  return causes
}

/** The status of a new one: what says nothing of a Service is served here, and so is always available. */
export function settleApiService(object: KubeObject, old: KubeObject | undefined, now: number): void {
  if (old) return
  object['status'] = {}
  if (object['spec']?.service) return
  const [reason, message] = ['Local', 'Local APIServices are always available']
  const lastTransitionTime = rfc3339(now)
  object['status'] = { conditions: [{ type: 'Available', status: 'True', lastTransitionTime, reason, message }] }
}
