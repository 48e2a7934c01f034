import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podPort, portsAnnotation } from './ports.ts'

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', annotations: { [portsAnnotation]: '8080=21234,9090=29999' } },
  spec: { containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 21_234 }, { containerPort: 5000 }] }] },
}

test('the port that the template names stands for the one the pod was given', () => {
  assert.deepEqual(podPort(pod, 8080), { port: 21_234, own: true })
  assert.deepEqual(podPort(pod, 21_234), { port: 21_234, own: true })
  assert.deepEqual(podPort(pod, 5000), { port: 5000, own: true })
})

test('other ports are what they are, whatever an annotation claims', () => {
  assert.deepEqual(podPort(pod, 9090), { port: 9090, own: false })
  assert.deepEqual(podPort({ ...pod, metadata: { name: 'web' } }, 8080), { port: 8080, own: false })
})
