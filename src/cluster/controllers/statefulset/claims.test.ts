import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace, type objects, PersistentVolumeClaim, ServiceAccount, StatefulSet } from '#kube'
import { until } from '#lib/testing'
import { startTestCluster } from '../testing/cluster.ts'
import { claimOwners } from './claims.ts'

function set(whenDeleted: string, whenScaled: string): objects.StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop', uid: 'set' },
    spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } } as any,
  }
}

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'db-1', uid: 'pod' } } as objects.Pod

for (const [whenDeleted, whenScaled, condemned, owner] of [
  ['Retain', 'Retain', false, []],
  ['Retain', 'Retain', true, []],
  ['Delete', 'Retain', false, ['set']],
  ['Delete', 'Retain', true, ['set']],
  ['Retain', 'Delete', false, []],
  ['Retain', 'Delete', true, ['pod']],
  ['Delete', 'Delete', false, ['set']],
  ['Delete', 'Delete', true, ['pod']],
] as const) {
  const what = `whenDeleted ${whenDeleted}, whenScaled ${whenScaled}${condemned ? ', scaled away' : ''}`
  test(`${what}: the claim belongs to ${owner[0] ?? 'nobody'}`, () => {
    const owners = claimOwners(set(whenDeleted, whenScaled), pod, condemned, undefined)
    assert.deepEqual(
      owners.map(({ uid }) => uid),
      owner,
    )
    assert.deepEqual(claimOwners(set(whenDeleted, whenScaled), pod, condemned, owners), owners)
    assert.deepEqual(claimOwners(set('Retain', 'Retain'), pod, condemned, owners), [])
  })
}

test('somebody else’s claim is left alone', () => {
  const other = { apiVersion: 'x/v1', kind: 'X', name: 'x', uid: 'x', controller: true }
  assert.deepEqual(claimOwners(set('Delete', 'Delete'), pod, true, [other]), [other])
})

test('scaled away, a claim goes with its pod; the others go with the set', async (t) => {
  const { kube } = await startTestCluster(t)
  await kube.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as any)
  await until(() => kube.find(ServiceAccount, 'default', 'shop'))
  const labels = { app: 'db' }
  await kube.create(StatefulSet, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop' },
    spec: {
      replicas: 2,
      serviceName: 'db',
      selector: { matchLabels: labels },
      persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Delete' },
      template: { metadata: { labels }, spec: { containers: [{ name: 'db', image: 'a:1' }] } },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  } as any)
  const claims = async () => (await kube.list(PersistentVolumeClaim, { namespace: 'shop' })).items
  const names = async () => (await claims()).map(({ metadata }) => metadata.name).join()
  await until(async () => (await kube.get(StatefulSet, 'db', 'shop')).status?.readyReplicas === 2)
  assert.equal(await names(), 'data-db-0,data-db-1')
  await kube.patch(StatefulSet, { name: 'db', namespace: 'shop' }, { spec: { replicas: 1 } })
  await until(async () => (await names()) === 'data-db-0', { what: 'the claim to go with its pod' })
  await kube.delete(StatefulSet, 'db', 'shop')
  await until(async () => (await names()) === '', { what: 'the claims to go with the set' })
})
