import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { victimsFirst } from './victims.ts'

const now = Date.parse('2026-01-01T12:00:00Z')

function pod(name: string, extra: Record<string, any> = {}): objects.Pod {
  const { node = name, ready = true, since = '2026-01-01T00:00:00Z', created = since, phase = 'Running' } = extra
  return {
    metadata: { name, creationTimestamp: created, annotations: extra['annotations'] },
    spec: { containers: [], nodeName: node || undefined },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: since }],
      containerStatuses: [{ name: 'c', restartCount: extra['restarts'] ?? 0 }],
    },
  } as any
}

const cost = (value: string) => ({ annotations: { 'controller.kubernetes.io/pod-deletion-cost': value } })

for (const [what, victim, survivor] of [
  ['unassigned before assigned', pod('a', { node: '' }), pod('b', { ready: false })],
  ['Pending before Running', pod('b', { phase: 'Pending', ready: false }), pod('a', { ready: false })],
  ['not ready before ready', pod('b', { ready: false }), pod('a', cost('-100'))],
  ['a lower deletion cost before a higher one', pod('b', cost('-1')), pod('a')],
  ['ready for minutes before ready for hours', pod('b', { since: '2026-01-01T11:58:00Z' }), pod('a')],
  ['more restarts before fewer', pod('b', { restarts: 3 }), pod('a')],
  [
    'newer before older',
    pod('b', { created: '2026-01-01T11:00:00Z', since: '2026-01-01T11:30:00Z' }),
    pod('a', { created: '2025-01-01T00:00:00Z', since: '2026-01-01T11:30:00Z' }),
  ],
] as const) {
  test(`given up first: ${what}`, () => {
    assert.equal(victimsFirst([survivor, victim], now)[0], victim)
    assert.equal(victimsFirst([victim, survivor], now)[0], victim)
  })
}

test('given up first: who shares its node with siblings', () => {
  const pods = [pod('a', { node: 'n1' }), pod('b', { node: 'n2' }), pod('c', { node: 'n2' })]
  assert.equal(victimsFirst(pods, now).at(-1)!.metadata.name, 'a')
})
