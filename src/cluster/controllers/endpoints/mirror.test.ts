import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EndpointSlice, Endpoints, Namespace, type objects, Service } from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from '../testing/cluster.ts'
import { isMirrored, mirrorsOf } from './mirror.ts'

function endpoints(subsets: objects.EndpointSubset[], metadata: object = {}): objects.Endpoints {
  return { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'db', namespace: 'shop', ...metadata }, subsets }
}
const service = (selector?: Record<string, string>): objects.Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'db', namespace: 'shop' },
  spec: { selector, ports: [{ port: 5432 }] },
})

test('only Endpoints of Services without a selector are mirrored, unless they ask not to be', () => {
  assert.equal(isMirrored(endpoints([]), service()), true)
  assert.equal(isMirrored(endpoints([]), service({ app: 'db' })), false)
  assert.equal(isMirrored(endpoints([]), undefined), false)
  const skipped = { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }
  assert.equal(isMirrored(endpoints([], skipped), service()), false)
  const lock = { annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }
  assert.equal(isMirrored(endpoints([], lock), service()), false)
})

test('a subset becomes slices per kind of address, with readiness and names kept', () => {
  const [v4, v6, ...more] = mirrorsOf(
    endpoints([
      {
        addresses: [{ ip: '10.0.0.1', hostname: 'a' }, { ip: 'fd00::1' }],
        notReadyAddresses: [{ ip: '10.0.0.2' }],
        ports: [{ name: 'pg', port: 5432 }],
      },
    ]),
  )
  assert.deepEqual([v4.addressType, v6.addressType, more], ['IPv4', 'IPv6', []])
  assert.deepEqual(v4.ports, [{ name: 'pg', port: 5432, protocol: 'TCP' }])
  assert.deepEqual(v4.endpoints, [
    { addresses: ['10.0.0.1'], conditions: { ready: true }, hostname: 'a' },
    { addresses: ['10.0.0.2'], conditions: { ready: false } },
  ])
})

test('hand-written Endpoints show as a slice, follow changes and go with the Service', async (t) => {
  const { kube } = await startTestCluster(t)
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
  await kube.create(Service, service() as any)
  const subsets = (ip: string) => [{ addresses: [{ ip }], ports: [{ port: 5432 }] }]
  await kube.create(Endpoints, endpoints(subsets('10.0.0.1')) as any)
  const shown = async () => {
    const { items } = await kube.list(EndpointSlice, {
      namespace: 'shop',
      labelSelector: 'kubernetes.io/service-name=db',
    })
    return items
      .flatMap((slice) => slice.endpoints ?? [])
      .flatMap(({ addresses }) => addresses)
      .join()
  }
  await until(async () => (await shown()) === '10.0.0.1')
  await kube.patch(Endpoints, { name: 'db', namespace: 'shop' }, { subsets: subsets('10.0.0.2') })
  await until(async () => (await shown()) === '10.0.0.2')
  await kube.delete(Service, 'db', 'shop')
  await until(async () => (await shown()) === '')
})
