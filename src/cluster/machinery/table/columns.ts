import { humanAge } from '#lib'
import { age, type Cell, containerNames, images, modes, none, orNone, pairs, selector, some } from './cells.ts'
import { podCells } from './pod.ts'

export interface Printer {
  /** Names; `*` in front = wide output only. Types other than string follow a colon. */
  columns: string[]
  cells(object: any, now: number): Cell[]
  row?(object: any, now: number): { cells: Cell[]; conditions?: any[] }
}

const created = (object: any, now: number) => age(object.metadata.creationTimestamp, now)
const n = (value: unknown) => (typeof value === 'number' ? value : 0)
const workload = ['*Containers', '*Images', '*Selector']

function replicas(object: any, now: number): Cell[] {
  const { metadata, spec, status = {} } = object
  const pod = spec.template?.spec
  const chosen =
    spec.selector?.matchLabels || spec.selector?.matchExpressions ? selector(spec.selector) : pairs(spec.selector)
  return [
    metadata.name,
    n(spec.replicas),
    n(status.replicas),
    n(status.readyReplicas),
    created(object, now),
    containerNames(pod),
    images(pod),
    chosen,
  ]
}

function duration(job: any, now: number): string {
  const { startTime, completionTime, conditions = [] } = job.status ?? {}
  if (!startTime) return ''
  const failed = conditions.find((condition: any) => condition.type === 'Failed' && condition.status === 'True')
  const end = completionTime ?? failed?.lastTransitionTime
  return humanAge((end ? Date.parse(end) : now) - Date.parse(startTime))
}

function jobStatus({ status = {}, metadata, spec }: any): string {
  const has = (type: string) => (status.conditions ?? []).some((one: any) => one.type === type && one.status === 'True')
  if (has('Complete')) return 'Complete'
  if (has('Failed')) return 'Failed'
  if (metadata.deletionTimestamp) return 'Terminating'
  if (has('Suspended') || spec.suspend) return 'Suspended'
  return has('FailureTarget') ? 'FailureTarget' : has('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running'
}

function completions({ spec, status = {} }: any): string {
  const done = n(status.succeeded)
  if (spec.completions !== undefined) return `${done}/${spec.completions}`
  return n(spec.parallelism) > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`
}

function externalIp({ spec, status }: any): string {
  const external = spec.externalIPs ?? []
  const ingress = (status?.loadBalancer?.ingress ?? []).map((one: any) => one.ip || one.hostname).filter(Boolean)
  switch (spec.type) {
    case 'LoadBalancer':
      return ingress.length + external.length > 0 ? [...ingress, ...external].join(',') : '<pending>'
    case 'ExternalName':
      return spec.externalName
    default:
      return orNone(external)
  }
}

function servicePorts(ports: any[] | undefined): string {
  return orNone(
    (ports ?? []).map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`),
  )
}

function ingressHosts(rules: any[] | undefined): string {
  const hosts = (rules ?? []).map((rule) => rule.host || '*')
  return hosts.length === 0 ? '*' : some(hosts)
}

function balancer(status: any): string {
  return (status?.loadBalancer?.ingress ?? []).map((one: any) => one.ip || one.hostname).join(',')
}

function endpointsCell(subsets: any[] | undefined): string {
  const list = (subsets ?? []).flatMap((subset) => {
    const addresses = (subset.addresses ?? []).map((address: any) => address.ip)
    if (!subset.ports?.length) return addresses
    return subset.ports.flatMap((port: any) => addresses.map((ip: string) => `${ip}:${port.port}`))
  })
  return some(list)
}

function nodeStatus({ status = {}, spec = {} }: any): string {
  const ready = (status.conditions ?? []).find((condition: any) => condition.type === 'Ready')
  const text = !ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec.unschedulable ? `${text},SchedulingDisabled` : text
}

function roles(labels: Record<string, string> = {}): string {
  const found = Object.keys(labels).flatMap((label) => {
    if (label.startsWith('node-role.kubernetes.io/')) return [label.slice(24)].filter(Boolean)
    return label === 'kubernetes.io/role' && labels[label] ? [labels[label]] : []
  })
  return orNone(found.sort())
}

function address(status: any, type: string): string {
  return (status?.addresses ?? []).find((one: any) => one.type === type)?.address ?? none
}

function eventCells(event: any, now: number): Cell[] {
  const { involvedObject: about = event.regarding ?? {}, metadata } = event
  const first = event.firstTimestamp ?? event.deprecatedFirstTimestamp ?? event.eventTime
  const last = event.series?.lastObservedTime ?? event.lastTimestamp ?? event.deprecatedLastTimestamp ?? event.eventTime
  const source = event.source ?? event.deprecatedSource ?? {}
  const component = source.component || event.reportingComponent || event.reportingController || ''
  const kind = String(about.kind ?? '').toLowerCase()
  return [
    age(last ?? first, now),
    event.type ?? '',
    event.reason ?? '',
    about.name ? `${kind}/${about.name}` : kind,
    about.fieldPath ?? '',
    [component, source.host].filter(Boolean).join(', '),
    (event.message ?? event.note ?? '').trim(),
    age(first, now),
    n(event.series?.count ?? event.count ?? event.deprecatedCount ?? 1),
    metadata.name,
  ]
}
const event: Printer = {
  columns: [
    'Last Seen',
    'Type',
    'Reason',
    'Object',
    '*Subobject',
    '*Source',
    'Message',
    '*First Seen',
    '*Count',
    '*Name',
  ],
  cells: eventCells,
}

function metricText(spec: any, current: any): string {
  const target = spec?.target ?? {}
  const now = current?.current ?? {}
  if (target.averageUtilization !== undefined) {
    const seen = now.averageUtilization === undefined ? '<unknown>' : `${now.averageUtilization}%`
    return `${seen}/${target.averageUtilization}%`
  }
  if (target.averageValue !== undefined) return `${now.averageValue ?? '<unknown>'}/${target.averageValue} (avg)`
  return `${now.value ?? '<unknown>'}/${target.value ?? '<unknown>'}`
}

function hpaTargets({ spec, status = {} }: any): string {
  if (spec.targetCPUUtilizationPercentage !== undefined) {
    const seen = status.currentCPUUtilizationPercentage
    return `cpu: ${seen === undefined ? '<unknown>' : `${seen}%`}/${spec.targetCPUUtilizationPercentage}%`
  }
  const list = (spec.metrics ?? []).map((metric: any, i: number) => {
    const key = Object.keys(metric).find((name) => name !== 'type') ?? ''
    const text = metricText(metric[key], status.currentMetrics?.[i]?.[key])
    return metric.type === 'Resource' ? `${metric.resource.name}: ${text}` : text
  })
  return list.length > 2 ? `${list.slice(0, 2).join(', ')} + ${list.length - 2} more...` : list.join(', ') || none
}

function resourceList(object: any): [string, string] {
  const { hard = {}, used = {} } = object.status ?? {}
  const cell = (keys: string[]) => keys.map((key) => `${key}: ${used[key] ?? '0'}/${hard[key]}`).join(', ')
  const keys = Object.keys(hard).sort()
  const limits = keys.filter((key) => key.startsWith('limits.'))
  return [cell(keys.filter((key) => !limits.includes(key))), cell(limits)]
}

function bindingCells(object: any, now: number): Cell[] {
  const subjects = (kind: string) =>
    (object.subjects ?? [])
      .filter((subject: any) => subject.kind === kind)
      .map((subject: any) => (kind === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : subject.name))
      .join(', ')
  const { kind, name } = object.roleRef ?? {}
  return [
    object.metadata.name,
    `${kind}/${name}`,
    created(object, now),
    subjects('User'),
    subjects('Group'),
    subjects('ServiceAccount'),
  ]
}
const binding: Printer = {
  columns: ['Name', 'Role', 'Age', '*Users', '*Groups', '*ServiceAccounts'],
  cells: bindingCells,
}
const createdAt: Printer = {
  columns: ['Name', 'Created At:date'],
  cells: (object) => [object.metadata.name, object.metadata.creationTimestamp ?? null],
}

function csrCondition(status: any): string {
  const types = (status?.conditions ?? []).map((condition: any) => condition.type)
  const shown = ['Denied', 'Approved', 'Failed'].filter((type) => types.includes(type))
  const text = shown.length > 0 ? shown.join(',') : 'Pending'
  return status?.certificate ? `${text},Issued` : text
}

/** Printers by group and kind: the columns of kubectl get. */
export const printers: Record<string, Printer> = {
  '/Pod': {
    columns: ['Name', 'Ready', 'Status', 'Restarts', 'Age', '*IP', '*Node', '*Nominated Node', '*Readiness Gates'],
    cells: (object, now) => podCells(object, now).cells,
    row: podCells,
  },
  '/PodTemplate': {
    columns: ['Name', 'Containers', 'Images', 'Pod Labels'],
    cells: ({ metadata, template }) => [
      metadata.name,
      containerNames(template?.spec),
      images(template?.spec),
      pairs(template?.metadata?.labels),
    ],
  },
  'apps/Deployment': {
    columns: ['Name', 'Ready', 'Up-to-date:integer', 'Available:integer', 'Age', ...workload],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      const pod = spec.template?.spec
      return [
        metadata.name,
        `${n(status.readyReplicas)}/${n(spec.replicas)}`,
        n(status.updatedReplicas),
        n(status.availableReplicas),
        created(object, now),
        containerNames(pod),
        images(pod),
        selector(spec.selector),
      ]
    },
  },
  'apps/ReplicaSet': {
    columns: ['Name', 'Desired:integer', 'Current:integer', 'Ready:integer', 'Age', ...workload],
    cells: replicas,
  },
  '/ReplicationController': {
    columns: ['Name', 'Desired:integer', 'Current:integer', 'Ready:integer', 'Age', ...workload],
    cells: replicas,
  },
  'apps/StatefulSet': {
    columns: ['Name', 'Ready', 'Age', '*Containers', '*Images'],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        `${n(status.readyReplicas)}/${n(spec.replicas)}`,
        created(object, now),
        containerNames(spec.template?.spec),
        images(spec.template?.spec),
      ]
    },
  },
  'apps/DaemonSet': {
    columns: [
      'Name',
      'Desired:integer',
      'Current:integer',
      'Ready:integer',
      'Up-to-date:integer',
      'Available:integer',
      'Node Selector',
      'Age',
      ...workload,
    ],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      const pod = spec.template?.spec
      return [
        metadata.name,
        n(status.desiredNumberScheduled),
        n(status.currentNumberScheduled),
        n(status.numberReady),
        n(status.updatedNumberScheduled),
        n(status.numberAvailable),
        pairs(pod?.nodeSelector),
        created(object, now),
        containerNames(pod),
        images(pod),
        selector(spec.selector),
      ]
    },
  },
  'apps/ControllerRevision': {
    columns: ['Name', 'Controller', 'Revision:integer', 'Age'],
    cells: (object, now) => {
      const owner = (object.metadata.ownerReferences ?? []).find((one: any) => one.controller)
      const group = owner?.apiVersion?.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : ''
      return [
        object.metadata.name,
        owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : none,
        n(object.revision),
        created(object, now),
      ]
    },
  },
  'batch/Job': {
    columns: ['Name', 'Status', 'Completions', 'Duration', 'Age', ...workload],
    cells: (object, now) => {
      const pod = object.spec.template?.spec
      return [
        object.metadata.name,
        jobStatus(object),
        completions(object),
        duration(object, now),
        created(object, now),
        containerNames(pod),
        images(pod),
        selector(object.spec.selector),
      ]
    },
  },
  'batch/CronJob': {
    columns: ['Name', 'Schedule', 'Timezone', 'Suspend', 'Active:integer', 'Last Schedule', 'Age', ...workload],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      const pod = spec.jobTemplate?.spec?.template?.spec
      return [
        metadata.name,
        spec.schedule,
        spec.timeZone ?? none,
        spec.suspend === true ? 'True' : 'False',
        status.active?.length ?? 0,
        status.lastScheduleTime ? age(status.lastScheduleTime, now) : none,
        created(object, now),
        containerNames(pod),
        images(pod),
        selector(spec.jobTemplate?.spec?.selector),
      ]
    },
  },
  '/Service': {
    columns: ['Name', 'Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', '*Selector'],
    cells: (object, now) => [
      object.metadata.name,
      object.spec.type,
      object.spec.clusterIPs?.[0] ?? (object.spec.clusterIP || none),
      externalIp(object),
      servicePorts(object.spec.ports),
      created(object, now),
      pairs(object.spec.selector),
    ],
  },
  'networking.k8s.io/Ingress': {
    columns: ['Name', 'Class', 'Hosts', 'Address', 'Ports', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.spec.ingressClassName ?? none,
      ingressHosts(object.spec.rules),
      balancer(object.status),
      object.spec.tls?.length ? '80, 443' : '80',
      created(object, now),
    ],
  },
  'networking.k8s.io/IngressClass': {
    columns: ['Name', 'Controller', 'Parameters', 'Age'],
    cells: (object, now) => {
      const { controller, parameters } = object.spec ?? {}
      const group = parameters?.apiGroup ? `.${parameters.apiGroup}` : ''
      return [
        object.metadata.name,
        controller ?? '',
        parameters ? `${parameters.kind}${group}/${parameters.name}` : none,
        created(object, now),
      ]
    },
  },
  'networking.k8s.io/NetworkPolicy': {
    columns: ['Name', 'Pod-Selector', 'Age'],
    cells: (object, now) => [object.metadata.name, selector(object.spec?.podSelector), created(object, now)],
  },
  '/Endpoints': {
    columns: ['Name', 'Endpoints', 'Age'],
    cells: (object, now) => [object.metadata.name, endpointsCell(object.subsets), created(object, now)],
  },
  'discovery.k8s.io/EndpointSlice': {
    columns: ['Name', 'AddressType', 'Ports', 'Endpoints', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.addressType,
      some(
        (object.ports ?? []).map((port: any) => String(port.port ?? '*')),
        '<unset>',
      ),
      some(
        (object.endpoints ?? []).flatMap((endpoint: any) => endpoint.addresses ?? []),
        '<unset>',
      ),
      created(object, now),
    ],
  },
  '/Node': {
    columns: [
      'Name',
      'Status',
      'Roles',
      'Age',
      'Version',
      '*Internal-IP',
      '*External-IP',
      '*OS-Image',
      '*Kernel-Version',
      '*Container-Runtime',
    ],
    cells: (object, now) => {
      const info = object.status?.nodeInfo ?? {}
      return [
        object.metadata.name,
        nodeStatus(object),
        roles(object.metadata.labels),
        created(object, now),
        info.kubeletVersion ?? '',
        address(object.status, 'InternalIP'),
        address(object.status, 'ExternalIP'),
        info.osImage || '<unknown>',
        info.kernelVersion || '<unknown>',
        info.containerRuntimeVersion || '<unknown>',
      ]
    },
  },
  '/Event': event,
  'events.k8s.io/Event': event,
  '/Namespace': {
    columns: ['Name', 'Status', 'Age'],
    cells: (object, now) => [object.metadata.name, object.status?.phase ?? '', created(object, now)],
  },
  '/Secret': {
    columns: ['Name', 'Type', 'Data:integer', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      object.type ?? '',
      Object.keys(object.data ?? {}).length,
      created(object, now),
    ],
  },
  '/ConfigMap': {
    columns: ['Name', 'Data:integer', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
      created(object, now),
    ],
  },
  '/ServiceAccount': {
    columns: ['Name', 'Secrets:integer', 'Age'],
    cells: (object, now) => [object.metadata.name, object.secrets?.length ?? 0, created(object, now)],
  },
  '/PersistentVolume': {
    columns: [
      'Name',
      'Capacity',
      'Access Modes',
      'Reclaim Policy',
      'Status',
      'Claim',
      'StorageClass',
      'VolumeAttributesClass',
      'Reason',
      'Age',
      '*VolumeMode',
    ],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        spec.capacity?.storage ?? '0',
        modes(spec.accessModes),
        spec.persistentVolumeReclaimPolicy ?? '',
        metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '',
        spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        status.reason ?? '',
        created(object, now),
        spec.volumeMode ?? '<unset>',
      ]
    },
  },
  '/PersistentVolumeClaim': {
    columns: [
      'Name',
      'Status',
      'Volume',
      'Capacity',
      'Access Modes',
      'StorageClass',
      'VolumeAttributesClass',
      'Age',
      '*VolumeMode',
    ],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        metadata.deletionTimestamp ? 'Terminating' : (status.phase ?? ''),
        spec.volumeName ?? '',
        spec.volumeName ? (status.capacity?.storage ?? '0') : '',
        spec.volumeName ? modes(status.accessModes) : '',
        spec.storageClassName ?? '',
        spec.volumeAttributesClassName ?? '<unset>',
        created(object, now),
        spec.volumeMode ?? '<unset>',
      ]
    },
  },
  'storage.k8s.io/StorageClass': {
    columns: ['Name', 'Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion:boolean', 'Age'],
    cells: (object, now) => {
      const standard = object.metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true'
      return [
        object.metadata.name + (standard ? ' (default)' : ''),
        object.provisioner,
        object.reclaimPolicy ?? 'Delete',
        object.volumeBindingMode ?? 'Immediate',
        object.allowVolumeExpansion ?? false,
        created(object, now),
      ]
    },
  },
  'autoscaling/HorizontalPodAutoscaler': {
    columns: ['Name', 'Reference', 'Targets', 'MinPods', 'MaxPods:integer', 'Replicas:integer', 'Age'],
    cells: (object, now) => {
      const { metadata, spec, status = {} } = object
      return [
        metadata.name,
        `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
        hpaTargets(object),
        spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
        spec.maxReplicas,
        n(status.currentReplicas),
        created(object, now),
      ]
    },
  },
  'autoscaling/Scale': {
    columns: ['Name', 'Desired:integer', 'Available:integer', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      n(object.spec?.replicas),
      n(object.status?.replicas),
      created(object, now),
    ],
  },
  'policy/PodDisruptionBudget': {
    columns: ['Name', 'Min Available', 'Max Unavailable', 'Allowed Disruptions:integer', 'Age'],
    cells: (object, now) => [
      object.metadata.name,
      String(object.spec?.minAvailable ?? 'N/A'),
      String(object.spec?.maxUnavailable ?? 'N/A'),
      n(object.status?.disruptionsAllowed),
      created(object, now),
    ],
  },
  'rbac.authorization.k8s.io/Role': createdAt,
  'rbac.authorization.k8s.io/ClusterRole': createdAt,
  'rbac.authorization.k8s.io/RoleBinding': binding,
  'rbac.authorization.k8s.io/ClusterRoleBinding': binding,
  'certificates.k8s.io/CertificateSigningRequest': {
    columns: ['Name', 'Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'],
    cells: (object, now) => [
      object.metadata.name,
      created(object, now),
      object.spec.signerName || none,
      object.spec.username ?? '',
      object.spec.expirationSeconds === undefined ? none : humanAge(object.spec.expirationSeconds * 1000),
      csrCondition(object.status),
    ],
  },
  'coordination.k8s.io/Lease': {
    columns: ['Name', 'Holder', 'Age'],
    cells: (object, now) => [object.metadata.name, object.spec?.holderIdentity ?? '', created(object, now)],
  },
  '/ResourceQuota': {
    columns: ['Name', 'Request', 'Limit', 'Age'],
    cells: (object, now) => [object.metadata.name, ...resourceList(object), created(object, now)],
  },
  '/LimitRange': createdAt,
  'apiextensions.k8s.io/CustomResourceDefinition': createdAt,
  'scheduling.k8s.io/PriorityClass': {
    columns: ['Name', 'Value:integer', 'Global-Default:boolean', 'Age', 'PreemptionPolicy'],
    cells: (object, now) => [
      object.metadata.name,
      object.value ?? 0,
      object.globalDefault ?? false,
      created(object, now),
      object.preemptionPolicy ?? '',
    ],
  },
  'node.k8s.io/RuntimeClass': {
    columns: ['Name', 'Handler', 'Age'],
    cells: (object, now) => [object.metadata.name, object.handler ?? '', created(object, now)],
  },
  'apiregistration.k8s.io/APIService': {
    columns: ['Name', 'Service', 'Available', 'Age'],
    cells: (object, now) => {
      const { service } = object.spec ?? {}
      const available = (object.status?.conditions ?? []).find((one: any) => one.type === 'Available')
      const text = !available
        ? 'Unknown'
        : available.status === 'True'
          ? 'True'
          : `${available.status} (${available.reason})`
      return [
        object.metadata.name,
        service ? `${service.namespace}/${service.name}` : 'Local',
        text,
        created(object, now),
      ]
    },
  },
}
