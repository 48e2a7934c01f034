import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObjectTtl } from './object-ttl.ts'

test('kubelets of larger clusters keep objects longer, and a node more or less changes nothing', () => {
  const ttl = new ObjectTtl()
  const sizes = [1, 100, 101, 95, 89, 5000, 1799]
  assert.deepEqual(
    sizes.map((nodes) => ttl.secondsFor(nodes)),
    [0, 0, 15, 15, 0, 300, 60],
  )
})
