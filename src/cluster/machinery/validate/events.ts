import { invalid, required } from '../causes.ts'
import type { Cause } from '../types.ts'
import { immutable } from './metadata.ts'
import { qualifiedName } from './names.ts'
import type { Validator } from './workloads.ts'

/** The fields of an Event by the names of core/v1, whichever group it is in. */
function core(event: any) {
  const { regarding, note, deprecatedSource, deprecatedFirstTimestamp, deprecatedLastTimestamp, deprecatedCount } =
    event
  return {
    ...event,
    involvedObject: event.involvedObject ?? regarding ?? {},
    message: event.message ?? note,
    source: event.source ?? deprecatedSource,
    firstTimestamp: event.firstTimestamp ?? deprecatedFirstTimestamp,
    lastTimestamp: event.lastTimestamp ?? deprecatedLastTimestamp,
    count: event.count ?? deprecatedCount,
    reportingController: event.reportingController ?? event.reportingComponent ?? '',
  }
}

/** What holds for Events of both groups (legacyValidateEvent). */
function common(event: any, controllerField: string): Cause[] {
  const { namespace } = event.metadata
  const about = event.involvedObject.namespace ?? ''
  const elsewhere = invalid('involvedObject.namespace', about, 'does not match event.namespace')
  if (!event.eventTime) {
    const agrees = about === '' ? namespace === 'default' || !namespace : about === namespace
    return agrees ? [] : [elsewhere]
  }
  const causes = about === '' && namespace !== 'default' && namespace !== 'kube-system' ? [elsewhere] : []
  if (!event.reportingController) causes.push(required(controllerField))
  for (const problem of qualifiedName(event.reportingController))
    causes.push(invalid(controllerField, event.reportingController, problem))
  for (const [field, most] of [
    ['reportingInstance', 128],
    ['action', 128],
    ['reason', 128],
  ] as const) {
    if (!event[field]) causes.push(required(field))
    else if (event[field].length > most) causes.push(invalid(field, '', `can have at most ${most} characters`))
  }
  if ((event.message ?? '').length > 1024) causes.push(invalid('message', '', 'can have at most 1024 characters'))
  return causes
}

function series(event: any): Cause[] {
  if (!event.series) return []
  return [
    ...((event.series.count ?? 0) < 2 ? [invalid('series.count', '', 'should be at least 2')] : []),
    ...(event.series.lastObservedTime ? [] : [required('series.lastObservedTime')]),
  ]
}

const frozen = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingController',
  'reportingInstance',
]

const strict: Validator = (object, old) => {
  const event = core(object)
  const causes = common(event, 'reportingController')
  if (old) {
    const before = core(old)
    if (JSON.stringify(event.series) !== JSON.stringify(before.series)) causes.push(...series(event))
    return [...causes, ...frozen.flatMap((field) => immutable(event[field], before[field], field))]
  }
  causes.push(...series(event))
  if (!event.eventTime) causes.push(required('eventTime'))
  if (event.type !== 'Normal' && event.type !== 'Warning')
    causes.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`))
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count'])
    if (event[field]) causes.push(invalid(field, '', 'needs to be unset'))
  if (event.source?.component || event.source?.host) causes.push(invalid('source', '', 'needs to be unset'))
  return causes
}

/** Events: those of events.k8s.io are held to what they promise, those of the core group are as free as they always were. */
export const events: Record<string, Validator> = {
  '/Event': (object) => common(core(object), 'reportingComponent'),
  'events.k8s.io/Event': strict,
}
