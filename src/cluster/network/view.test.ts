import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { Service } from './endpoints.ts'
import { Matcher, normalHost, normalPath } from './matcher.ts'
import { emptyView, type RoutePath, routeView, viewFromJson, viewToJson } from './view.ts'

const service = (name: string, ports: objects.ServicePort[], clusterIP = '127.48.0.9'): objects.Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP, ports },
})
const slice = (name: string, endpoints: objects.Endpoint[], ports: objects.EndpointPort[]): objects.EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints,
  ports,
})
const ingress = (name: string, spec: objects.IngressSpec, created = '2026-01-01T00:00:00Z'): objects.Ingress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, namespace: 'shop', creationTimestamp: created },
  spec,
})
const backend = (name: string, port: { name?: string; number?: number }) => ({ service: { name, port } })

test('a view says where the hosts go and which endpoints each service port has', () => {
  const view = routeView(
    [
      ingress('web', {
        rules: [
          {
            host: 'Shop.localhost',
            http: { paths: [{ path: '/', pathType: 'Prefix', backend: backend('web', { name: 'http' }) }] },
          },
        ],
      }),
      ingress(
        'late',
        {
          rules: [
            {
              host: 'shop.localhost',
              http: { paths: [{ path: '/', pathType: 'Prefix', backend: backend('other', { number: 1 }) }] },
            },
          ],
        },
        '2026-02-01T00:00:00Z',
      ),
    ],
    [
      service('web', [{ name: 'http', port: 80, targetPort: 'http' }]),
      service('dns', [{ port: 53, protocol: 'UDP' }], 'None'),
    ],
    [
      slice(
        'web',
        [
          { addresses: ['127.64.0.1'], targetRef: { kind: 'Pod', namespace: 'shop', name: 'web-1' } },
          { addresses: ['127.64.0.2'], conditions: { ready: false, serving: true, terminating: true } },
        ],
        [{ name: 'http', port: 20001 }],
      ),
    ],
  )
  assert.deepEqual(view.hosts.get('shop.localhost')?.paths, [{ path: '/', pathType: 'Prefix', service: 'shop/web:80' }])
  assert.deepEqual(view.services.get('shop/web:80'), {
    clusterIP: '127.48.0.9',
    port: 80,
    endpoints: [
      { address: '127.64.0.1', port: 20001, pod: 'shop/web-1', ready: true, serving: true, terminating: false },
      { address: '127.64.0.2', port: 20001, ready: false, serving: true, terminating: true },
    ],
  })
  assert.deepEqual(view.services.get('shop/other:1'), { endpoints: [] })
  assert.deepEqual(viewFromJson(viewToJson(view)), view)
  assert.equal(viewFromJson('{"hosts":1}'), undefined)
  assert.deepEqual(viewFromJson(viewToJson(emptyView)), emptyView)
})

test('paths are matched as Ingress says: exact before prefix, longest first, by element', () => {
  const paths: RoutePath[] = [
    { path: '/', pathType: 'Prefix', service: 'root' },
    { path: '/api', pathType: 'Prefix', service: 'api' },
    { path: '/api/v2/', pathType: 'Prefix', service: 'v2' },
    { path: '/api', pathType: 'Exact', service: 'exact' },
  ]
  const hosts = new Map([
    ['a.x', { paths }],
    ['*.y', { paths: [{ path: '/', pathType: 'Prefix' as const, service: 'wild' }] }],
    ['b.y', { paths: [{ path: '/only', pathType: 'Prefix' as const, service: 'b' }] }],
  ])
  const matcher = new Matcher(hosts, (key) => new Service(key))
  const find = (host: string, path: string) => matcher.find(host, path)?.service.key
  for (const [path, key] of Object.entries({
    '/': 'root',
    '/apis': 'root',
    '/api': 'exact',
    '/api?q': 'exact',
    '/api/': 'api',
    '/api/v2': 'v2',
    '/api/v2/x': 'v2',
    '/open/../api/x': 'api',
    '/open/%2e%2e/api/x': 'api',
    '//api/x': 'api',
  }))
    assert.equal(find('a.x', path), key, path)
  assert.equal(find('c.y', '/'), 'wild')
  assert.equal(find('b.y', '/only/x'), 'b')
  assert.equal(find('b.y', '/'), 'wild')
  assert.equal(find('d.c.y', '/'), undefined)
  assert.equal(find('y', '/'), undefined)
})

test('hosts and paths in their normal form', () => {
  assert.equal(normalHost('Shop.LOCALHOST:8080'), 'shop.localhost')
  assert.equal(normalHost('shop.localhost.'), 'shop.localhost')
  assert.equal(normalHost('[::1]:80'), '[::1]')
  assert.equal(normalHost('a b'), undefined)
  assert.equal(normalHost('a/b'), undefined)
  assert.equal(normalPath('/a/./b/../c/?x'), '/a/c/')
  assert.equal(normalPath('/../../a'), '/a')
  assert.equal(normalPath('/%zz'), '/%zz')
})
