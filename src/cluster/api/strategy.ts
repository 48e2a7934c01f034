import type { KubeObject } from '#kube'
import { equal, isObject } from '#lib'
import { type Cause, crdProblems } from '../machinery/index.ts'
import { apiServiceProblems, settleApiService } from './aggregation/validate.ts'
import { nowOf, type ResourceRequest } from './request.ts'
import { allocateService } from './services.ts'

/** Built-in kinds whose metadata.generation counts changes of the spec; custom resources all have one. */
const counted = new Set([
  'core/pods',
  'core/podtemplates',
  'core/replicationcontrollers',
  'apps/deployments',
  'apps/replicasets',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
  'batch/cronjobs',
  'networking.k8s.io/ingresses',
  'networking.k8s.io/ingressclasses',
  'networking.k8s.io/networkpolicies',
  'policy/poddisruptionbudgets',
  'discovery.k8s.io/endpointslices',
  'scheduling.k8s.io/priorityclasses',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
])

export function hasGeneration(rr: ResourceRequest): boolean {
  return rr.info.custom || counted.has(rr.resource)
}

/** Whether what the generation counts differs: everything but metadata and status. */
export function specChanged(before: KubeObject, after: KubeObject): boolean {
  const strip = ({ metadata: _, status: __, apiVersion: ___, ...rest }: KubeObject) => rest
  return !equal(strip(before), strip(after))
}

/** A kind's own rules, on top of what machinery's defaults and validation do. */
interface Strategy {
  /** After defaults, before validation's answer: what only the server decides. Changes `object`. */
  finish?(rr: ResourceRequest, object: KubeObject, old: KubeObject | undefined): void
  /** Further problems. */
  check?(object: KubeObject, old: KubeObject | undefined, rr: ResourceRequest): Cause[]
}

const none: Strategy = {}

const strategies: Record<string, Strategy> = {
  'core/namespaces': {
    finish(rr, object, old) {
      if (old && rr.subresource !== 'finalize') object.spec = { ...object.spec, finalizers: old.spec?.finalizers }
    },
  },
  'core/services': { finish: allocateService },
  'core/pods': {
    finish(rr, object, old) {
      if (!old) apparmorFields(rr, object)
      if (old && rr.subresource !== 'status' && old.spec.nodeName) object.spec.nodeName ??= old.spec.nodeName
      if (object.status?.podIP && !object.status.podIPs?.length) object.status.podIPs = [{ ip: object.status.podIP }]
      if (old?.status?.qosClass && isObject(object.status)) object.status.qosClass ??= old.status.qosClass
    },
  },
  'core/persistentvolumes': { finish: phaseTime },
  'apps/daemonsets': { finish: templateGeneration },
  'apiregistration.k8s.io/apiservices': {
    finish: (rr, object, old) => settleApiService(object, old, rr.api.clock.now()),
    check: (object) => apiServiceProblems(object),
  },
  'apiextensions.k8s.io/customresourcedefinitions': {
    finish: acceptNames,
    check: (object) => crdProblems(object),
  },
}

/** When a volume's phase became what it is (KEP-3762), unless who says the phase says that as well. */
function phaseTime(rr: ResourceRequest, { status }: KubeObject, old: KubeObject | undefined): void {
  if (!isObject(status)) return
  const before = old?.status
  if (status['phase'] === before?.phase) status['lastPhaseTransitionTime'] ??= before?.lastPhaseTransitionTime
  else if ((status['lastPhaseTransitionTime'] ?? before?.lastPhaseTransitionTime) === before?.lastPhaseTransitionTime)
    status['lastPhaseTransitionTime'] = nowOf(rr.api)
}

/** Counts the templates of a DaemonSet in an annotation, as clients from before apps/v1 expect. */
function templateGeneration(_: ResourceRequest, object: KubeObject, old: KubeObject | undefined): void {
  const name = 'deprecated.daemonset.template.generation'
  const before = Number(old?.metadata.annotations?.[name] ?? 0)
  const next = old && equal(object.spec?.template, old.spec?.template) ? before : before + 1
  object.metadata.annotations = { ...object.metadata.annotations, [name]: String(next) }
}

const apparmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'

/** What annotations said before there was a field (Kubernetes 1.30) is said by the field. */
function apparmorFields(rr: ResourceRequest, { metadata, spec }: KubeObject): void {
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    if (!key.startsWith(apparmorPrefix)) continue
    const name = key.slice(apparmorPrefix.length)
    const lists = [spec?.containers, spec?.initContainers, spec?.ephemeralContainers]
    const container = lists.flatMap(asArray).find((one: any) => one?.name === name) as any
    if (!container || container.securityContext?.appArmorProfile) continue
    const warning = `metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`
    if (!spec.securityContext?.appArmorProfile) rr.warnings.push(warning)
    const type = value === 'runtime/default' ? 'RuntimeDefault' : value === 'unconfined' ? 'Unconfined' : 'Localhost'
    const profile = type === 'Localhost' ? { localhostProfile: String(value).replace(/^localhost\//, '') } : {}
    container.securityContext = { ...container.securityContext, appArmorProfile: { type, ...profile } }
  }
}

export function strategyOf(rr: ResourceRequest): Strategy {
  return strategies[rr.resource] ?? none
}

/** Established at once: whatever passes validation is served with the very write that defines it. */
function acceptNames(rr: ResourceRequest, object: KubeObject, old: KubeObject | undefined): void {
  const spec = object.spec
  if (!isObject(spec) || !isObject(spec['names']) || !Array.isArray(spec['versions'])) return
  const names = spec['names']
  names['singular'] ||= String(names['kind'] ?? '').toLowerCase()
  names['listKind'] ||= `${names['kind']}List`
  spec['conversion'] ??= { strategy: 'None' }
  const stored = spec['versions'].find((version: any) => version?.storage)?.name
  const storedVersions: string[] = old?.status?.storedVersions ?? []
  const now = nowOf(rr.api)
  const condition = (type: string, reason: string, message: string) => {
    const before = old?.status?.conditions?.find((one: any) => one.type === type && one.status === 'True')
    return before ?? { type, status: 'True', lastTransitionTime: now, reason, message }
  }
  const others = (old?.status?.conditions ?? []).filter(
    (one: any) => one.type !== 'NamesAccepted' && one.type !== 'Established',
  )
  object.status = {
    ...(rr.subresource === 'status' ? object.status : {}),
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
      ...others,
    ],
    acceptedNames: { ...names },
    storedVersions: stored && !storedVersions.includes(stored) ? [...storedVersions, stored] : storedVersions,
  }
}

export function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
