import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { resolverOf, writeResolver } from './resolver.ts'

const cluster = { host: '127.60.0.1', port: 53 }
const machine = '# mine\nnameserver 192.0.2.1\nsearch example.com\noptions timeout:1 rotate\n'
const pod = (spec: object = {}): any => ({ metadata: { name: 'a', namespace: 'shop' }, spec })
const searches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local']

test('a pod asks the cluster first, and searches its own namespace first', () => {
  assert.deepEqual(resolverOf(pod(), cluster, machine), {
    nameservers: ['127.60.0.1'],
    searches: [...searches, 'example.com'],
    options: ['ndots:5'],
  })
})

test('dnsPolicy and dnsConfig say otherwise', () => {
  assert.equal(resolverOf(pod({ dnsPolicy: 'Default' }), cluster, machine), undefined)
  assert.equal(resolverOf(pod({ hostNetwork: true }), cluster, machine), undefined)
  assert.equal(resolverOf(pod(), undefined, machine), undefined)
  const dnsConfig = { nameservers: ['192.0.2.9'], searches: ['a.b'], options: [{ name: 'ndots', value: '1' }] }
  assert.deepEqual(resolverOf(pod({ dnsPolicy: 'None', dnsConfig }), cluster, machine), {
    nameservers: ['192.0.2.9'],
    searches: ['a.b'],
    options: ['ndots:1'],
  })
  assert.deepEqual(resolverOf(pod({ dnsPolicy: 'Default', dnsConfig }), cluster, machine), {
    nameservers: ['192.0.2.1', '192.0.2.9'],
    searches: ['example.com', 'a.b'],
    options: ['timeout:1', 'rotate', 'ndots:1'],
  })
  assert.deepEqual(
    resolverOf(pod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), cluster, '')?.nameservers,
    ['127.60.0.1'],
  )
})

test('where nothing can be mounted, or the port is another, the BEAM is told alone', (t) => {
  const directory = temporaryDirectory(t)
  const { inetrc, resolvConf } = writeResolver(directory, pod(), { host: '127.0.0.1', port: 5353 }, true)
  assert.equal(resolvConf, undefined)
  const told = readFileSync(inetrc!, 'utf8')
  assert.match(told, /^\{nameserver, \{127,0,0,1\}, 5353\}\.$/m)
  assert.match(told, /"shop\.svc\.cluster\.local"/)
  assert.ok(writeResolver(directory, pod(), cluster, false).inetrc)
  assert.deepEqual(writeResolver(directory, pod({ dnsPolicy: 'Default' }), cluster, true), {})
})
