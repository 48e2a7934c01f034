import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer } from './answer.ts'
import { reverse, zoneOf } from './zone.ts'

const service = (name: string, spec: object): any => ({ metadata: { name, namespace: 'shop' }, spec })
const slice = (of: string, endpoints: object[], ports: object[] = []): any => ({
  metadata: { name: `${of}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  endpoints,
  ports,
})
const zone = zoneOf(
  [
    service('web', { clusterIP: '127.48.0.9', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
    service('nodes', { clusterIP: 'None', ports: [{ name: 'dist', port: 9100 }] }),
    service('bank', { type: 'ExternalName', externalName: 'Bank.example.com.' }),
    service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
  ],
  [
    slice('web', [{ addresses: ['127.64.0.1'] }], [{ name: 'http', port: 20001 }]),
    slice(
      'nodes',
      [
        { addresses: ['127.64.0.1'], hostname: 'web-0' },
        { addresses: ['127.64.0.2'] },
        { addresses: ['127.64.0.3'], conditions: { ready: false } },
      ],
      [{ name: 'dist', port: 9100, protocol: 'TCP' }],
    ),
  ],
)
const ask = (name: string, type: any) => {
  const reply = answer(zone, { name, type })
  return reply.kind === 'answer' ? reply.answers.map((each: any) => each.data) : reply.kind
}

test('a service is its cluster IP, a headless one its ready endpoints', () => {
  assert.deepEqual(ask('web.shop.svc.cluster.local', 'A'), ['127.48.0.9'])
  assert.deepEqual(ask('nodes.shop.svc.cluster.local', 'A'), ['127.64.0.1', '127.64.0.2'])
  assert.deepEqual(ask('web-0.nodes.shop.svc.cluster.local', 'A'), ['127.64.0.1'])
  assert.deepEqual(ask('127-64-0-2.nodes.shop.svc.cluster.local', 'A'), ['127.64.0.2'])
  assert.deepEqual(ask('Web.Shop.SVC.cluster.LOCAL.', 'A'), ['127.48.0.9'])
})

test('ports are SRV records, whose targets come along', () => {
  assert.deepEqual(ask('_http._tcp.web.shop.svc.cluster.local', 'SRV'), [
    { port: 80, target: 'web.shop.svc.cluster.local', priority: 0, weight: 100 },
  ])
  const reply = answer(zone, { name: 'nodes.shop.svc.cluster.local', type: 'SRV' })
  assert.equal(reply.kind, 'answer')
  const { answers, additionals } = reply as any
  assert.deepEqual(
    answers.map(({ data }: any) => [data.port, data.target]),
    [
      [9100, 'web-0.nodes.shop.svc.cluster.local'],
      [9100, '127-64-0-2.nodes.shop.svc.cluster.local'],
    ],
  )
  assert.deepEqual(
    additionals.map(({ data }: any) => data),
    ['127.64.0.1', '127.64.0.2'],
  )
})

test('addresses have names, and aliases targets', () => {
  assert.deepEqual(ask(reverse('127.48.0.9'), 'PTR'), ['web.shop.svc.cluster.local'])
  assert.deepEqual(ask(reverse('127.64.0.1'), 'PTR'), ['web-0.nodes.shop.svc.cluster.local'])
  assert.deepEqual(ask('alias.shop.svc.cluster.local', 'A'), ['web.shop.svc.cluster.local', '127.48.0.9'])
  const outside = answer(zone, { name: 'bank.shop.svc.cluster.local', type: 'A' })
  assert.equal(outside.kind === 'alias' && outside.target, 'bank.example.com')
})

test('what is not there is absent only inside of the cluster, and names above others are empty', () => {
  assert.equal(ask('api.shop.svc.cluster.local', 'A'), 'absent')
  assert.equal(ask('shop.svc.cluster.local', 'A'), 'empty')
  assert.equal(ask('web.shop.svc.cluster.local', 'AAAA'), 'empty')
  assert.equal(ask('example.com', 'A'), 'elsewhere')
  assert.equal(ask('notcluster.local', 'A'), 'elsewhere')
  assert.equal(ask(reverse('10.1.2.3'), 'PTR'), 'elsewhere')
})

test('names that need no object', () => {
  assert.deepEqual(ask('dns-version.cluster.local', 'TXT'), ['1.1.0'])
  assert.deepEqual(ask('127-64-0-7.shop.pod.cluster.local', 'A'), ['127.64.0.7'])
  assert.deepEqual(ask('hello.localhost', 'A'), ['127.0.0.1'])
  assert.equal(reverse('fd00::1:2'), `2.0.0.0.1.0.0.0.${'0.'.repeat(20)}0.0.d.f.ip6.arpa`)
})
