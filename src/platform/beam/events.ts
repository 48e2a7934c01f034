import { Event, type Kube } from '#kube'
import { type Clock, randomSuffix, rfc3339 } from '#lib'
import { App } from '../kinds.ts'

/** Leaves an Event about an app. @throws what the API says when it is refused */
export async function recordEvent(
  kube: Kube,
  clock: Clock,
  app: string,
  event: { type: 'Normal' | 'Warning'; reason: string; message: string },
): Promise<void> {
  const { apiVersion, kind, metadata } = await kube.get(App, app)
  const at = rfc3339(clock.now())
  // Events about what has no namespace are in "default".
  await kube.create(Event, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${app}.beam.${randomSuffix(10)}`, namespace: 'default' },
    involvedObject: { apiVersion, kind, name: app, uid: metadata.uid! },
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
