import { Event, type Kube } from '#kube'
import { type Clock, randomSuffix, rfc3339 } from '#lib'
import { App } from '../kinds.ts'
import type { BeamPod } from './nodes.ts'

interface Happening {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

/** Leaves an Event about an app. @throws what the API says when it is refused */
export async function recordEvent(kube: Kube, clock: Clock, app: string, event: Happening): Promise<void> {
  const { apiVersion, kind, metadata } = await kube.get(App, app)
  // Events about what has no namespace are in "default".
  await create(kube, clock, 'default', app, { apiVersion, kind, name: app, uid: metadata.uid! }, event)
}

/** Leaves an Event about a pod, in its namespace. @throws what the API says when it is refused */
export async function recordPodEvent(kube: Kube, clock: Clock, pod: BeamPod, event: Happening): Promise<void> {
  const { namespace } = pod
  const involved = { apiVersion: 'v1', kind: 'Pod', name: pod.pod, namespace, uid: pod.uid }
  await create(kube, clock, namespace, pod.pod, involved, event)
}

async function create(
  kube: Kube,
  clock: Clock,
  namespace: string,
  name: string,
  involvedObject: Record<string, string>,
  event: Happening,
): Promise<void> {
  const at = rfc3339(clock.now())
  await kube.create(Event, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.beam.${randomSuffix(10)}`, namespace },
    involvedObject,
    ...event,
    // the API server refuses more than 1 kB
    message: event.message.slice(0, 1000),
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    source: { component: 'cuddle' },
    reportingComponent: 'cuddle',
    reportingInstance: '',
  } as never)
}
