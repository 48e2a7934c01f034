import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { endpointsOf, slicesOf } from './plan.ts'

const service: objects.Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', uid: 's', labels: { team: 'a' } },
  spec: {
    clusterIP: '127.48.0.10',
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
  },
}

function pod(name: string, ip: string | undefined, port: number, extra: Record<string, any> = {}): objects.Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', uid: name, ...extra.metadata },
    spec: {
      nodeName: 'node-0',
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port, protocol: 'TCP' }] }],
      ...extra.spec,
    },
    status: {
      phase: 'Running',
      podIP: ip,
      conditions: [{ type: 'Ready', status: extra.ready === false ? 'False' : 'True' } as any],
      ...extra.status,
    },
  }
}

const zoneOf = () => 'zone-0'

test('a named port is resolved on each pod: different numbers make different slices', () => {
  const slices = slicesOf(service, [pod('b', '127.64.0.2', 20001), pod('a', '127.64.0.1', 20000)], zoneOf)
  assert.deepEqual(
    slices.map(({ endpoints, ports }) => [endpoints!.map(({ addresses }) => addresses[0]), ports![0].port]),
    [
      [['127.64.0.1'], 20000],
      [['127.64.0.2'], 20001],
    ],
  )
  assert.equal(slices[0].metadata.labels!['kubernetes.io/service-name'], 'web')
  assert.equal(slices[0].metadata.labels!.team, 'a')
  assert.deepEqual(slices[0].endpoints![0], {
    addresses: ['127.64.0.1'],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'node-0',
    targetRef: { kind: 'Pod', name: 'a', namespace: 'shop', uid: 'a' },
    zone: 'zone-0',
  })
})

test('who is in: an address and not finished; ready means ready and not terminating', () => {
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  const pods = [
    pod('up', '127.64.0.1', 80),
    pod('starting', '127.64.0.2', 80, { ready: false }),
    pod('stopping', '127.64.0.3', 80, { metadata: { deletionTimestamp } }),
    pod('nowhere', undefined, 80),
    pod('done', '127.64.0.5', 80, { status: { phase: 'Succeeded' } }),
  ]
  const [slice] = slicesOf(service, pods, zoneOf)
  const seen = Object.fromEntries(slice.endpoints!.map(({ targetRef, conditions }) => [targetRef!.name, conditions]))
  assert.deepEqual(seen, {
    up: { ready: true, serving: true, terminating: false },
    starting: { ready: false, serving: false, terminating: false },
    stopping: { ready: false, serving: true, terminating: true },
  })
  const eager = { ...service, spec: { ...service.spec, publishNotReadyAddresses: true } }
  assert.ok(slicesOf(eager, pods, zoneOf)[0].endpoints!.every(({ conditions }) => conditions!.ready))
})

test('a slice holds at most 100 endpoints, and its name does not depend on the order of pods', () => {
  const pods = Array.from({ length: 250 }, (_, index) => pod(`p${index}`, `127.64.1.${index}`, 80))
  const slices = slicesOf(service, pods, zoneOf)
  assert.deepEqual(
    slices.map(({ endpoints }) => endpoints!.length),
    [100, 100, 50],
  )
  assert.deepEqual(slicesOf(service, [...pods].reverse(), zoneOf), slices)
})

test('Endpoints has a subset per set of ports, not-ready addresses apart, terminating ones gone', () => {
  const pods = [
    pod('a', '127.64.0.1', 20000),
    pod('b', '127.64.0.2', 20001, { ready: false }),
    pod('c', '127.64.0.3', 20000, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
  ]
  const { subsets } = endpointsOf(service, pods)
  assert.deepEqual(
    subsets?.map((subset) => [subset.addresses?.[0].ip, subset.notReadyAddresses?.[0].ip, subset.ports![0].port]),
    [
      ['127.64.0.1', undefined, 20000],
      [undefined, '127.64.0.2', 20001],
    ],
  )
})

test('a headless Service publishes host names of pods that ask for its subdomain', () => {
  const headless = { ...service, spec: { ...service.spec, clusterIP: 'None' } }
  const pods = [pod('db-0', '127.64.0.1', 80, { spec: { hostname: 'db-0', subdomain: 'web' } })]
  const [slice] = slicesOf(headless, pods, zoneOf)
  assert.equal(slice.metadata.labels!['service.kubernetes.io/headless'], '')
  assert.equal(slice.endpoints![0].hostname, 'db-0')
})
