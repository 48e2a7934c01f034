import { forbidden, invalid, notSupported, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { dnsLabel, dnsSubdomain } from './names.ts'
import { replicated, type Validator } from './workloads.ts'

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
/** Fields of a PersistentVolume's spec that are no source of it. */
const notSources = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
])

const volume: Validator = ({ spec }) => {
  const causes: Cause[] = []
  if (!spec.accessModes?.length) causes.push(required('spec.accessModes'))
  for (const mode of spec.accessModes ?? [])
    if (!accessModes.includes(mode)) causes.push(notSupported('spec.accessModes', mode, accessModes))
  const capacity = spec.capacity ?? {}
  if (Object.keys(capacity).length === 0) causes.push(required('spec.capacity'))
  if (capacity.storage === undefined || Object.keys(capacity).length > 1)
    causes.push(notSupported('spec.capacity', spec.capacity ?? null, ['storage']))
  const sources = Object.keys(spec).filter((field) => !notSources.has(field))
  if (sources.length === 0) causes.push(required('spec', 'must specify a volume type'))
  // The one that comes first in Go's type is taken.
  const first = ['hostPath', 'gcePersistentDisk', 'awsElasticBlockStore'].find((source) => sources.includes(source))
  for (const extra of sources.filter((source) => source !== (first ?? sources[0])))
    causes.push(forbidden(`spec.${extra}`, 'may not specify more than 1 volume type'))
  return causes
}

const attachment: Validator = ({ spec }) => {
  const causes: Cause[] = []
  if (!spec.attacher) causes.push(required('spec.attacher'))
  else for (const problem of dnsSubdomain(spec.attacher)) causes.push(invalid('spec.attacher', spec.attacher, problem))
  const { persistentVolumeName, inlineVolumeSpec } = spec.source ?? {}
  if (!persistentVolumeName === !inlineVolumeSpec)
    causes.push(required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'))
  for (const problem of dnsSubdomain(spec.nodeName ?? ''))
    causes.push(invalid('spec.nodeName', spec.nodeName ?? '', problem))
  return causes
}

const ingressClass: Validator = ({ spec = {} }) => {
  const { controller } = spec
  if (!controller) return [required('spec.controller')]
  const [domain, ...path] = controller.split('/')
  return dnsSubdomain(domain).length === 0 && path.length > 0 && path.join('/') !== ''
    ? []
    : [invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")')]
}

const runtimeClass: Validator = ({ handler }) => {
  if (!handler) return [required('handler')]
  return dnsLabel(handler).map((problem) => invalid('handler', handler, problem))
}

/** Kinds that people seldom write. */
export const rarer: Record<string, Validator> = {
  '/PersistentVolume': volume,
  '/ReplicationController': ({ spec }) => replicated(spec),
  'apps/ControllerRevision': (object) =>
    object.data === undefined || object.data === null ? [required('data', 'data is mandatory')] : [],
  'storage.k8s.io/VolumeAttachment': attachment,
  'networking.k8s.io/IngressClass': ingressClass,
  'node.k8s.io/RuntimeClass': runtimeClass,
}
