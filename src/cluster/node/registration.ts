import { readFileSync } from 'node:fs'
import { arch, hostname, release } from 'node:os'
import { isAlreadyExists, isNotFound, type Kube, type KubeObject, Lease, Node, type objects } from '#kube'
import { type Clock, errorMessage, formatBytes, formatCpu, type Logger, loop, rfc3339, rfc3339Micro } from '#lib'
import { bootId } from './proc.ts'

/** The kubelet's lease: 40 s long, renewed each 10 s. */
const leaseSeconds = 40
const renewMs = 10_000
/** A Node's status is written at least so often, as the kubelet's nodeStatusReportFrequency, ms. */
const reportMs = 300_000

export interface NodeIdentity {
  name: string
  index: number
  podCIDR: string
  hostIP: string
  kubeletPort: number
  capacity: { cpu: number; memoryBytes: number }
}

export interface RegistrationOptions {
  kube: Kube
  clock: Clock
  log: Logger
  signal: AbortSignal
  node: NodeIdentity
}

/** Registers a virtual node and keeps its lease and status fresh until the signal aborts. */
export async function keepRegistered(options: RegistrationOptions, registered: () => void): Promise<void> {
  const { kube, clock, log, signal, node } = options
  let reported = Number.NEGATIVE_INFINITY
  await loop(
    async () => {
      // The lease first: a laptop that slept must not be found dead before it has spoken.
      if (reported !== Number.NEGATIVE_INFINITY) await renewLease(options)
      if (clock.monotonic() - reported >= reportMs) {
        await report(kube, clock, node)
        if (reported === Number.NEGATIVE_INFINITY) await renewLease(options)
        reported = clock.monotonic()
        registered()
      }
      return renewMs
    },
    {
      clock,
      signal,
      backoff: { initial: 50, max: 2000 },
      onError(error) {
        if (isNotFound(error)) reported = Number.NEGATIVE_INFINITY
        log.debug({ node: node.name }, `node not reported: ${errorMessage(error)}`)
      },
    },
  )
}

async function report(kube: Kube, clock: Clock, node: NodeIdentity): Promise<void> {
  const labels = {
    'kubernetes.io/hostname': node.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': arch() === 'x64' ? 'amd64' : arch(),
    'topology.kubernetes.io/zone': `zone-${node.index}`,
  }
  const status = nodeStatus(node, clock.now())
  const existing = await kube.find(Node, node.name)
  if (!existing) {
    const object = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: node.name, labels },
      spec: { podCIDR: node.podCIDR, podCIDRs: [node.podCIDR] },
      status,
    }
    await kube.create(Node, object as any).catch((error) => {
      if (!isAlreadyExists(error)) throw error
    })
  } else if (Object.entries(labels).some(([key, value]) => existing.metadata.labels?.[key] !== value)) {
    await kube.patch(Node, { name: node.name }, { metadata: { labels } })
  }
  const before = new Map(existing?.status?.conditions?.map((item) => [item.type, item]))
  for (const condition of status.conditions ?? []) {
    const same = before.get(condition.type)
    if (same?.status === condition.status) condition.lastTransitionTime = same.lastTransitionTime
  }
  await kube.patch(Node, { name: node.name }, { status }, { type: 'strategic', subresource: 'status' })
}

/** Pure: the status of a node at a time. */
export function nodeStatus(node: NodeIdentity, now: number): objects.NodeStatus {
  const resources = {
    cpu: formatCpu(node.capacity.cpu),
    memory: formatBytes(node.capacity.memoryBytes),
    pods: '110',
    'ephemeral-storage': '100Gi',
  }
  const time = rfc3339(now)
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  })
  return {
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
    addresses: [
      { type: 'InternalIP', address: node.hostIP },
      { type: 'Hostname', address: node.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: node.kubeletPort } },
    nodeInfo: {
      machineID: machineId(),
      systemUUID: machineId(),
      bootID: bootId(),
      kernelVersion: release(),
      osImage: `processes on ${hostname()}`,
      containerRuntimeVersion: 'cuddle://1.0.0',
      kubeletVersion: 'v1.36.0',
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: arch() === 'x64' ? 'amd64' : arch(),
    },
  } as objects.NodeStatus
}

async function renewLease({ kube, clock, node }: RegistrationOptions): Promise<void> {
  const namespace = 'kube-node-lease'
  const renewTime = rfc3339Micro(clock.now())
  const spec = { holderIdentity: node.name, leaseDurationSeconds: leaseSeconds, renewTime }
  try {
    await kube.patch(Lease, { name: node.name, namespace }, { spec })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const { metadata } = await kube.get(Node, node.name)
    const owner = { apiVersion: 'v1', kind: 'Node', name: node.name, uid: metadata.uid }
    await kube.create(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: node.name, namespace, ownerReferences: [owner] },
      spec,
    } as KubeObject)
  }
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'latin1').trim()
  } catch {
    return ''
  }
}
