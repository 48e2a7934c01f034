import { age, type Cell, none, orNone } from './cells.ts'
import { created, createdAt, n, type Printer, type Printers } from './printer.ts'

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

function resourceList(object: any): [string, string] {
  const { hard = {}, used = {} } = object.status ?? {}
  const cell = (keys: string[]) => keys.map((key) => `${key}: ${used[key] ?? '0'}/${hard[key]}`).join(', ')
  const keys = Object.keys(hard).sort()
  const limits = keys.filter((key) => key.startsWith('limits.'))
  return [cell(keys.filter((key) => !limits.includes(key))), cell(limits)]
}

/** Nodes, events, namespaces and what governs the cluster. */
export const cluster: Printers = {
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
