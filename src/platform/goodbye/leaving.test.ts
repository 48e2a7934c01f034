import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heirs, leaving } from './leaving.ts'

function pod(name: string, fields: { version?: string; born?: string; grace?: number; process?: string } = {}): any {
  const { version = 'v1', born = '2026-01-01T00:00:00Z', grace, process = 'web' } = fields
  const ip = `10.0.0.${name.length}`
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      creationTimestamp: born,
      labels: { 'cuddle.dev/beam-node': 'true', 'cuddle.dev/process': process, 'pod-template-hash': version },
      annotations: { 'cuddle.dev/handover': 'Elixir.Shop.Handover' },
      ...(grace === undefined ? {} : { deletionTimestamp: born, deletionGracePeriodSeconds: grace }),
    },
    spec: {
      containers: [
        {
          name: process,
          env: [
            { name: 'RELEASE_NODE', value: 'shop@$(POD_IP)' },
            { name: 'RELEASE_COOKIE', valueFrom: { secretKeyRef: { name: 'shop-cookie', key: 'cookie' } } },
          ],
          ports: [
            { name: 'http', containerPort: 4000 },
            { name: 'dist', containerPort: 9100 },
          ],
        },
      ],
    },
    status: {
      podIP: ip,
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: process, restartCount: 0, state: { running: {} } }],
    },
  }
}

test('a pod that was told to stop has half of its time, after it left the rotation, for what is open', () => {
  const found = leaving(pod('a', { grace: 32 }))
  assert.equal(found?.holdSeconds, 17)
  assert.equal(found?.handover, 'Elixir.Shop.Handover')
  assert.equal(found?.port, 4000)
  assert.equal(leaving(pod('a', { grace: 5 }))?.holdSeconds, 3)
  assert.equal(leaving(pod('a', { grace: 1 }))?.holdSeconds, 1)
})

test('pods that stay, and pods that are killed at once, get no goodbye', () => {
  assert.equal(leaving(pod('a')), undefined)
  assert.equal(leaving(pod('a', { grace: 0 })), undefined)
})

test('state goes to nodes of the same process that stay, in a rollout only to those of the newer version', () => {
  const later = '2026-01-01T00:01:00Z'
  const leaver = leaving(pod('a', { grace: 32 }))!.node
  const names = (pods: any[]) => heirs(pods, leaver).map(({ pod: name }) => name)
  assert.deepEqual(names([pod('a', { grace: 32 }), pod('bb'), pod('ccc', { grace: 32 })]), ['bb'])
  assert.deepEqual(names([pod('bb'), pod('ccc', { version: 'v2', born: later })]), ['ccc'])
  assert.deepEqual(names([pod('bb'), pod('ccc', { process: 'worker' })]), ['bb'])
  assert.deepEqual(names([]), [])
})
