import assert from 'node:assert/strict'
import { Deployment, EndpointSlice, Endpoints, Node, Pod, Service } from '#kube'
import { triggerAnnotation } from '../frame.ts'
import { deployment, pod, template } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const service = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
})
const endpoints = (w: World) => w.list(EndpointSlice).flatMap((slice) => (slice as any).endpoints ?? [])
const readiness = (w: World, ready: number, all: number) => () => {
  const found = endpoints(w)
  assert.deepEqual([found.filter(({ conditions }) => conditions.ready).length, found.length], [ready, all])
  return true
}
const ports = [{ name: 'http', containerPort: 8080 }]
const withPorts = { spec: { containers: [{ name: 'app', image: 'example.com/app:1', ports }] } }

scenario('endpoints follow pods', async (w) => {
  await w.node()
  await w.create(Service, service('web'))
  await w.frame('none', () => w.list(EndpointSlice).length === 1)
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }, { does: 'running', lingers: true }))
  await w.frame('not ready', readiness(w, 0, 2))
  await w.tell('ready', {}, 1)
  await w.frame('one is ready', readiness(w, 1, 2))
  await w.tell('ready', { ready: false })
  await w.frame('both are ready', readiness(w, 2, 2))
  await w.scale(Deployment, 'web', 1)
  await w.frame('one is going, and still serves', () => {
    const going = endpoints(w).filter(({ conditions }) => conditions.terminating)
    return going.length === 1 && going[0].conditions.serving && !going[0].conditions.ready
  })
  await w.hollow.tell(w.pods({ leaving: true })[0], 'running')
  await w.frame('it no longer serves', () => endpoints(w).filter(({ conditions }) => conditions.serving).length === 1)
  await w.hollow.release(w.pods({ leaving: true })[0])
  await w.frame('one is left', readiness(w, 1, 1))
  await w.delete(Service, 'web')
  await w.frame('the service is gone', () => w.list(EndpointSlice).length === 0)
})

scenario('addresses that are published before they are ready', async (w) => {
  await w.node()
  await w.create(Service, service('web', { publishNotReadyAddresses: true, clusterIP: 'None' }))
  await w.create(Deployment, deployment(w, 'web', { replicas: 2 }, { does: 'running' }))
  await w.frame('all are', readiness(w, 2, 2))
  await w.patch(Service, 'web', { spec: { publishNotReadyAddresses: false } })
  await w.frame('none is', readiness(w, 0, 2))
})

scenario('endpoints tell which change they were written for', async (w) => {
  await w.node()
  w.compare([Pod, EndpointSlice, Endpoints], ({ metadata, ...object }) => {
    const { [triggerAnnotation]: time, ...annotations } = metadata.annotations ?? {}
    const ready = w.find(Pod, 'one')?.status?.conditions?.find(({ type }) => type === 'Ready')
    const changes = {
      service: w.find(Service, 'web')?.metadata.creationTimestamp,
      readiness: ready?.lastTransitionTime,
    }
    const writtenFor = time && (Object.entries(changes).find(([, at]) => at === time)?.[0] ?? time)
    return { ...object, metadata: { ...metadata, annotations }, writtenFor }
  })
  await w.create(Service, service('web'))
  await w.frame('the Service', () => w.list(EndpointSlice).length === 1 && w.list(Endpoints).length === 1)
  await w.nextSecond(Service)
  await w.create(Pod, pod(w, 'one', { labels: { app: 'web' }, does: 'running', lingers: true }))
  await w.frame('a pod', readiness(w, 0, 1))
  await w.until('the next second', () => Date.now() > Date.parse(w.find(Pod, 'one')!.status!.startTime!) + 1000)
  await w.tell('ready', {})
  await w.frame('its readiness', readiness(w, 1, 1))
  await w.kube.delete(Pod, 'one', w.ns)
  await w.frame('nothing that has a time', () => endpoints(w)[0]?.conditions.terminating)
})

scenario('named ports', async (w) => {
  await w.node()
  await w.create(Service, service('web', { ports: [{ name: 'a', port: 80, targetPort: 'http' }] }))
  await w.create(Pod, pod(w, 'one', { labels: { app: 'web' }, ...withPorts }))
  const other = [{ name: 'http', containerPort: 9090 }]
  const containers = [{ name: 'app', image: 'example.com/app:1', ports: other }]
  await w.create(Pod, pod(w, 'two', { labels: { app: 'web' }, spec: { containers } }))
  await w.create(Pod, pod(w, 'none', { labels: { app: 'web' } }))
  await w.frame('a slice for each number', () => readiness(w, 3, 3)() && w.list(EndpointSlice).length === 3)
  await w.patch(Service, 'web', { spec: { ports: [{ name: 'b', port: 81, targetPort: 8080 }] } })
  await w.frame('another port', () => w.list(EndpointSlice).every((slice) => (slice as any).ports[0].name === 'b'))
})

scenario('headless, with host names', async (w) => {
  await w.node()
  await w.create(Service, service('web', { clusterIP: 'None', ports: undefined }))
  await w.create(Pod, pod(w, 'one', { labels: { app: 'web' }, spec: { hostname: 'one', subdomain: 'web' } }))
  await w.create(Pod, pod(w, 'two', { labels: { app: 'web' }, spec: { hostname: 'two', subdomain: 'other' } }))
  await w.frame('addresses', readiness(w, 2, 2))
})

scenario('finished pods are no endpoints', async (w) => {
  await w.node()
  await w.create(Service, service('web'))
  for (const name of ['one', 'two'])
    await w.create(Pod, pod(w, name, { labels: { app: 'web' }, spec: { restartPolicy: 'Never' } }))
  await w.frame('both', readiness(w, 2, 2))
  await w.hollow.tell(w.find(Pod, 'one')!, 'exit 0')
  await w.frame('one', readiness(w, 1, 1))
  await w.patch(Pod, 'two', { metadata: { labels: { app: 'other' } } })
  await w.frame('none', readiness(w, 0, 0))
})

scenario('endpoints know their zone', async (w) => {
  for (const zone of ['a', 'b', 'c']) {
    const labels = { 'topology.kubernetes.io/zone': zone }
    await w.node(zone, { labels })
    await w.create(Pod, pod(w, zone, { labels: { app: 'web' }, spec: { nodeSelector: { scenario: w.ns, ...labels } } }))
  }
  await w.create(Service, service('web', { trafficDistribution: 'PreferClose' }))
  await w.frame('hints', () => readiness(w, 3, 3)() && endpoints(w).every(({ hints }) => hints?.forZones?.length === 1))
  await w.patch(Service, 'web', { spec: { trafficDistribution: null } })
  await w.frame('none', () => endpoints(w).every(({ hints }) => hints === undefined))
  await w.patch(Node, `${w.ns}-a`, { metadata: { labels: { 'topology.kubernetes.io/zone': null } } })
  // A slice is written anew when its Service or a pod changes; that a node did is seen only then.
  const nodeSelector = { scenario: w.ns, 'kubernetes.io/hostname': `${w.ns}-a` }
  await w.create(Pod, pod(w, 'd', { labels: { app: 'web' }, spec: { nodeSelector } }))
  await w.frame('a node without a zone', () => endpoints(w).filter(({ zone }) => zone === undefined).length === 2)
})

scenario('a Service without a selector, and one whose selector changes', async (w) => {
  await w.node()
  await w.create(Service, service('by-hand', { selector: undefined }))
  await w.create(Service, service('web'))
  await w.create(Pod, pod(w, 'one', { labels: { app: 'web' } }))
  await w.create(Pod, pod(w, 'two', { labels: { app: 'other' } }))
  await w.frame('one', readiness(w, 1, 1))
  await w.patch(Service, 'web', { spec: { selector: { app: 'other' } } })
  await w.frame('the other', () => endpoints(w)[0]?.targetRef?.name === 'two')
})

scenario('a pod in the network of its node', async (w) => {
  await w.node()
  const spec = template(w, 'web').spec
  await w.create(Pod, { metadata: { name: 'bare', labels: { app: 'web' } }, spec: { ...spec, hostNetwork: true } })
  await w.create(Service, service('web'))
  await w.frame('an endpoint', readiness(w, 1, 1))
})
