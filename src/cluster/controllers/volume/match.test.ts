import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { className, findVolume, mismatch } from './match.ts'

const volume = (name: string, storage: string, spec: object = {}): objects.PersistentVolume =>
  ({
    metadata: { name },
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], ...spec },
    status: { phase: 'Available' },
  }) as any
const claim = (storage: string, spec: object = {}): objects.PersistentVolumeClaim =>
  ({
    metadata: { name: 'data', namespace: 'shop', uid: 'c' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...spec },
  }) as any
const found = (...given: Parameters<typeof findVolume>) => findVolume(...given)?.metadata.name

test('a claim gets what is reserved for it, else the smallest that fits of its class', () => {
  const volumes = [
    volume('large', '10Gi'),
    volume('small', '1Gi'),
    volume('ours', '2Gi', { storageClassName: className }),
    volume('fast', '2Gi', { storageClassName: 'fast' }),
  ]
  assert.equal(found(volumes, claim('2Gi')), 'ours')
  assert.equal(found(volumes, claim('2Gi', { storageClassName: '' })), 'large')
  assert.equal(found(volumes, claim('2Gi', { storageClassName: 'fast' })), 'fast')
  const reserved = [...volumes, volume('mine', '20Gi', { claimRef: { name: 'data', namespace: 'shop' } })]
  assert.equal(found(reserved, claim('2Gi')), 'mine')
  assert.equal(found(volumes, claim('2Gi'), { reserved: true }), undefined)
  const former = volume('mine', '20Gi', { claimRef: { name: 'data', namespace: 'shop', uid: 'an earlier one' } })
  assert.equal(found([former], claim('2Gi')), undefined)
})

test('why a volume that is asked for does not do', () => {
  assert.equal(mismatch(volume('v', '1Gi'), claim('1Gi')), undefined)
  assert.equal(mismatch(volume('v', '1Gi'), claim('2Gi')), 'requested PV is too small')
  assert.equal(mismatch(volume('v', '1Gi'), claim('1Gi', { storageClassName: 'x' })), 'storageClassName does not match')
  assert.equal(
    mismatch(volume('v', '1Gi'), claim('1Gi', { accessModes: ['ReadWriteMany'] })),
    'incompatible accessMode',
  )
})
