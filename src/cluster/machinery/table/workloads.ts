import { humanAge } from '#lib'
import { age, type Cell, containerNames, images, none, pairs, selector } from './cells.ts'
import { podCells } from './pod.ts'
import { created, n, type Printers } from './printer.ts'

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

/** Pods, what makes them, and what scales and guards them. */
export const workloads: Printers = {
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
    columns: ['Name', 'Ready', 'Up-to-date', 'Available', 'Age', ...workload],
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
    columns: ['Name', 'Schedule', 'Timezone', 'Suspend:boolean', 'Active:integer', 'Last Schedule', 'Age', ...workload],
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
  'autoscaling/HorizontalPodAutoscaler': {
    columns: ['Name', 'Reference', 'Targets', 'MinPods', 'MaxPods', 'Replicas', 'Age'],
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
}
