import { randomInt } from 'node:crypto'
import type { KubeObject } from '#kube'
import { isObject } from '#lib'
import { idOf, type ResourceRequest } from './request.ts'
import { invalid, StatusError } from './status.ts'

/** 127.48.0.0/13: half a million addresses of the loopback network, so that no route is needed. */
const firstIp = (127 << 24) | (48 << 16)
const ips = 1 << 19
const firstPort = 30_000
const ports = 2768

/** The address of the Service default/kubernetes: the first of the range, as everywhere. */
export const kubernetesIp = '127.48.0.1'

function text(ip: number): string {
  return `${ip >>> 24}.${(ip >> 16) & 255}.${(ip >> 8) & 255}.${ip & 255}`
}

function inRange(ip: string): boolean {
  const match = /^127\.(\d+)\.(\d+)\.(\d+)$/.exec(ip)
  return (
    match !== null &&
    Number(match[1]) >= 48 &&
    Number(match[1]) < 56 &&
    Number(match[2]) < 256 &&
    Number(match[3]) < 256
  )
}

/** With a Service that is gone go its Endpoints, also those that were written by hand. */
export async function removeEndpoints(rr: ResourceRequest, name: string): Promise<void> {
  if (rr.resource !== 'core/services') return
  await rr.api.store.write('core/endpoints', idOf(rr.namespace, name), (current) =>
    current ? { delete: true } : { keep: true },
  )
}

/** Hands out clusterIP and nodePorts, or checks those that were asked for; both are freed with the object itself. */
export function allocateService(rr: ResourceRequest, object: KubeObject, old: KubeObject | undefined): void {
  const spec = object.spec
  if (!isObject(spec)) return
  if (spec['type'] === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
      delete spec[field]
    return
  }
  const others = rr.api.store
    .peekAll(rr.resource)
    .filter((stored) => stored.object.metadata.uid !== object.metadata.uid)
    .map((stored) => stored.object.spec ?? {})
  clusterIp(rr, object, old, others)
  nodePorts(object, others)
}

function clusterIp(rr: ResourceRequest, object: KubeObject, old: KubeObject | undefined, others: any[]): void {
  const spec = object.spec
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0]
  if (!spec.clusterIP) {
    const used = new Set(others.map((other) => other.clusterIP))
    let ip = ''
    for (let attempt = 0; attempt < 1000 && ip === ''; attempt++) {
      // The first few hundred are left to those who ask for one, as ServiceIPStaticSubrange does.
      const candidate = text(firstIp + 256 + randomInt(ips - 512))
      if (!candidate.endsWith('.0') && !candidate.endsWith('.255') && !used.has(candidate)) ip = candidate
    }
    spec.clusterIP = ip
  } else if (spec.clusterIP !== 'None' && spec.clusterIP !== old?.spec?.clusterIP) {
    const problem = !inRange(spec.clusterIP)
      ? `failed to allocate IP ${spec.clusterIP}: the provided network does not match the current range`
      : others.some((other) => other.clusterIP === spec.clusterIP)
        ? 'failed to allocate IP: provided IP is already allocated'
        : ''
    if (problem) {
      throw invalid(rr.info, object.metadata.name ?? '', [
        {
          reason: 'FieldValueInvalid',
          field: 'spec.clusterIPs',
          message: `Invalid value: ["${spec.clusterIP}"]: ${problem}`,
        },
      ])
    }
  }
  spec.clusterIPs = [spec.clusterIP]
  spec.ipFamilies ??= ['IPv4']
  spec.ipFamilyPolicy ??= 'SingleStack'
}

function nodePorts(object: KubeObject, others: any[]): void {
  const { spec } = object
  const list: any[] = Array.isArray(spec.ports) ? spec.ports : []
  if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') {
    for (const port of list) if (isObject(port)) delete port['nodePort']
    return
  }
  const used = new Set(others.flatMap((other) => (other.ports ?? []).map((port: any) => port.nodePort)))
  for (const port of list) {
    if (!isObject(port)) continue
    if (!port['nodePort']) {
      const start = randomInt(ports)
      for (let step = 0; step < ports && !port['nodePort']; step++) {
        const candidate = firstPort + ((start + step) % ports)
        if (!used.has(candidate)) port['nodePort'] = candidate
      }
    } else if (port['nodePort'] < firstPort || port['nodePort'] >= firstPort + ports) {
      const range = `${firstPort}-${firstPort + ports - 1}`
      const problem = `provided port is not in the valid range. The range of valid ports is ${range}`
      throw invalid({ group: '', kind: 'Service' }, object.metadata.name ?? '', [
        {
          reason: 'FieldValueInvalid',
          field: `spec.ports[${list.indexOf(port)}].nodePort`,
          message: `Invalid value: ${port['nodePort']}: ${problem}`,
        },
      ])
    } else if (used.has(port['nodePort'])) {
      throw new StatusError(
        422,
        'Invalid',
        `Service ${JSON.stringify(object.metadata.name)} is invalid: spec.ports[0].nodePort: Invalid value: ${port['nodePort']}: provided port is already allocated`,
        {
          name: object.metadata.name,
          kind: 'Service',
          causes: [
            {
              reason: 'FieldValueInvalid',
              field: 'spec.ports[0].nodePort',
              message: `Invalid value: ${port['nodePort']}: provided port is already allocated`,
            },
          ],
        },
      )
    }
    used.add(port['nodePort'])
  }
}
