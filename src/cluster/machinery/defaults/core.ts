import { defaultPod, defaultPodSpec, fill, qosClass } from './pod.ts'
import type { Defaulter, OnCreate, OnUpdate } from './registry.ts'

const externalTypes = ['NodePort', 'LoadBalancer']

function service(object: any): void {
  const { spec } = object
  for (const ingress of object.status?.loadBalancer?.ingress ?? []) if (ingress.ip) fill(ingress, 'ipMode', 'VIP')
  fill(spec, 'sessionAffinity', 'None')
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {}
    spec.sessionAffinityConfig.clientIP ??= {}
    fill(spec.sessionAffinityConfig.clientIP, 'timeoutSeconds', 10800)
  }
  fill(spec, 'type', 'ClusterIP')
  for (const port of spec.ports ?? []) if (!port.targetPort) port.targetPort = port.port
  if (externalTypes.includes(spec.type) || spec.externalIPs?.length) fill(spec, 'externalTrafficPolicy', 'Cluster')
  if (spec.type === 'LoadBalancer') fill(spec, 'allocateLoadBalancerNodePorts', true)
  if (spec.type === 'ExternalName') return
  fill(spec, 'internalTrafficPolicy', 'Cluster')
  fill(spec, 'ipFamilies', ['IPv4'])
  fill(spec, 'ipFamilyPolicy', 'SingleStack')
  if (spec.clusterIP) fill(spec, 'clusterIPs', [spec.clusterIP])
  else if (spec.clusterIPs?.length) spec.clusterIP = spec.clusterIPs[0]
}

// What the server allocated stays when a client replaces the Service without naming it, and goes with a type that has none
// (patchAllocatedValues and dropTypeDependentFields of pkg/registry/core/service).
const serviceUpdate: OnUpdate = (object, old) => {
  const { spec } = object
  const external = (type: string | undefined) => type === 'ExternalName'
  if (external(spec.type) && !external(old.spec?.type) && spec.clusterIP === old.spec?.clusterIP) {
    delete spec.clusterIP
    delete spec.clusterIPs
  }
  if (external(spec.type) || external(old.spec?.type)) return
  if (!spec.clusterIP && old.spec?.clusterIP) {
    spec.clusterIP = old.spec.clusterIP
    spec.clusterIPs = old.spec.clusterIPs
  }
  if (
    !externalTypes.includes(spec.type) &&
    !spec.externalIPs &&
    spec.externalTrafficPolicy === old.spec?.externalTrafficPolicy
  )
    delete spec.externalTrafficPolicy
  for (const port of spec.ports ?? []) {
    const before = (other: any) => other.port === port.port && other.protocol === port.protocol
    const { nodePort } = old.spec?.ports?.find(before) ?? {}
    if (!nodePort) continue
    if (externalTypes.includes(spec.type)) port.nodePort ||= nodePort
    else if (port.nodePort === nodePort) delete port.nodePort
  }
}

function limitRange(object: any): void {
  for (const item of object.spec?.limits ?? []) {
    if (item.type !== 'Container') continue
    const limits = { ...item.max, ...item.default }
    const requests = { ...item.min, ...limits, ...item.defaultRequest }
    for (const name in item.min)
      if (limits[name] === undefined) requests[name] = item.defaultRequest?.[name] ?? item.min[name]
    if (Object.keys(limits).length > 0) item.default = limits
    if (Object.keys(requests).length > 0) item.defaultRequest = requests
  }
}

function secret(object: any): void {
  fill(object, 'type', 'Opaque')
  if (!object.stringData) return
  object.data ??= {}
  for (const key in object.stringData) object.data[key] = Buffer.from(object.stringData[key], 'utf8').toString('base64')
  delete object.stringData
}

export const defaults: Record<string, Defaulter> = {
  Pod: defaultPod,
  PodTemplate: (object) => defaultPodSpec(object.template.spec),
  ReplicationController(object) {
    const { spec } = object
    // Nought is not written out.
    if (spec.minReadySeconds === 0) delete spec.minReadySeconds
    if (!spec.template) return
    fill(spec, 'replicas', 1)
    const { labels } = spec.template.metadata
    if (labels && !spec.selector) spec.selector = { ...labels }
    if (labels && !object.metadata.labels) object.metadata.labels = { ...labels }
    defaultPodSpec(spec.template.spec)
  },
  Service: service,
  Endpoints(object) {
    for (const subset of object.subsets ?? []) for (const port of subset.ports ?? []) fill(port, 'protocol', 'TCP')
  },
  Secret: secret,
  LimitRange: limitRange,
  Namespace(object) {
    if (!object.metadata.name) return
    object.metadata.labels ??= {}
    fill(object.metadata.labels, 'kubernetes.io/metadata.name', object.metadata.name)
  },
  PersistentVolume(object) {
    fill(object.spec, 'persistentVolumeReclaimPolicy', 'Retain')
    fill(object.spec, 'volumeMode', 'Filesystem')
    if (object.spec.hostPath) fill(object.spec.hostPath, 'type', '')
    fill(object.status, 'phase', 'Pending')
  },
  PersistentVolumeClaim(object) {
    fill(object.spec, 'volumeMode', 'Filesystem')
    fill(object.status, 'phase', 'Pending')
  },
  Node(object) {
    if (object.status.capacity) fill(object.status, 'allocatable', { ...object.status.capacity })
  },
}

export const onCreate: Record<string, OnCreate> = {
  Pod(object) {
    object.status = { phase: 'Pending', qosClass: qosClass(object.spec) }
  },
  Namespace(object) {
    object.spec.finalizers ??= []
    if (!object.spec.finalizers.includes('kubernetes')) object.spec.finalizers.push('kubernetes')
    object.status = { phase: 'Active' }
  },
  Service(object) {
    object.status = { loadBalancer: {} }
  },
}

export const onUpdate: Record<string, OnUpdate> = { Service: serviceUpdate }
