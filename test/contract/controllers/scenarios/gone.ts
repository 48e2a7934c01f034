import assert from 'node:assert/strict'
import { ConfigMap, Deployment, Namespace, Pod, ReplicaSet, Secret, ServiceAccount } from '#kube'
import { compared } from '../kinds.ts'
import { deployment, pod } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const owned = (w: World, name: string, owners: readonly any[]) => ({
  metadata: {
    name,
    ownerReferences: owners.map(({ apiVersion, kind, metadata }) => ({
      apiVersion,
      kind,
      name: metadata.name,
      uid: metadata.uid,
      blockOwnerDeletion: true,
    })),
  },
  data: { of: w.ns },
})
const maps = (w: World, ...expected: string[]) => {
  return () => {
    const names = w.list(ConfigMap).map(({ metadata }) => metadata.name)
    assert.deepEqual(
      names.filter((name) => name !== 'kube-root-ca.crt'),
      expected,
    )
    return true
  }
}
const everything = [...compared, ConfigMap, Secret, ServiceAccount, Namespace]

for (const policy of ['Background', 'Foreground', 'Orphan'] as const) {
  scenario(`a Deployment is deleted: ${policy}`, async (w) => {
    await w.node()
    await w.create(Deployment, deployment(w, 'web', { replicas: 2 }, { lingers: true }))
    await w.frame('created', () => w.pods({ ready: true }).length === 2)
    await w.delete(Deployment, 'web', policy)
    if (policy === 'Orphan') {
      await w.frame('orphaned', () => !w.find(Deployment, 'web') && !w.list(ReplicaSet)[0].metadata.ownerReferences)
      return
    }
    await w.frame('the pods leave', () => w.pods({ leaving: true }).length === 2)
    assert.equal(w.find(Deployment, 'web') !== undefined, policy === 'Foreground')
    for (const pod of w.pods({ leaving: true })) await w.hollow.release(pod)
    await w.frame('all is gone', () => w.list(Pod).length + w.list(ReplicaSet).length + w.list(Deployment).length === 0)
  })
}

scenario('what belongs to several goes with the last', async (w) => {
  w.compare([ConfigMap])
  const a = await w.create(ConfigMap, owned(w, 'a', []))
  const b = await w.create(ConfigMap, owned(w, 'b', []))
  await w.create(ConfigMap, owned(w, 'of-both', [a, b]))
  await w.create(ConfigMap, owned(w, 'of-a', [a]))
  await w.frame('created', maps(w, 'a', 'b', 'of-a', 'of-both'))
  await w.delete(ConfigMap, 'a')
  await w.frame('a is gone', () => {
    maps(w, 'b', 'of-both')()
    return w.find(ConfigMap, 'of-both')?.metadata.ownerReferences?.length === 1
  })
  await w.delete(ConfigMap, 'b')
  await w.frame('b is gone', maps(w))
})

scenario('an owner that never was', async (w) => {
  w.compare([ConfigMap])
  const nobody = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'nobody', uid: '11111111-2222-4333-8444-555555555555' },
  }
  await w.create(ConfigMap, owned(w, 'orphan', [nobody]))
  await w.frame('collected', maps(w))
})

scenario('foreground waits for what blocks it', async (w) => {
  w.compare([ConfigMap])
  const a = await w.create(ConfigMap, owned(w, 'a', []))
  const held = owned(w, 'held', [a])
  await w.create(ConfigMap, { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } })
  await w.frame('created', maps(w, 'a', 'held'))
  await w.delete(ConfigMap, 'a', 'Foreground')
  await w.frame('both wait', () => w.find(ConfigMap, 'held')?.metadata.deletionTimestamp !== undefined)
  await w.patch(ConfigMap, 'held', { metadata: { finalizers: null } })
  await w.frame('both are gone', maps(w))
})

scenario('orphaning takes the owner off', async (w) => {
  w.compare([ConfigMap])
  const a = await w.create(ConfigMap, owned(w, 'a', []))
  await w.create(ConfigMap, owned(w, 'child', [a]))
  await w.frame('created', maps(w, 'a', 'child'))
  await w.delete(ConfigMap, 'a', 'Orphan')
  await w.frame('alone', () => maps(w, 'child')() && !w.find(ConfigMap, 'child')!.metadata.ownerReferences)
})

scenario('a namespace goes with all that is in it', async (w) => {
  w.compare(everything)
  await w.node()
  await w.create(Deployment, deployment(w, 'web', { replicas: 1 }, { lingers: true }))
  await w.create(Pod, pod(w, 'bare', { lingers: true }))
  await w.create(ConfigMap, { metadata: { name: 'held', finalizers: ['example.com/hold'] }, data: {} })
  await w.frame('created', () => w.pods({ ready: true }).length === 2)
  await w.kube.delete(Namespace, w.ns)
  const met = () =>
    w.hollow.lister
      .get(Namespace, w.ns)
      ?.status?.conditions?.filter(({ status }) => status === 'True')
      .map(({ type }) => type)
  await w.frame('pods go first, and the rest stays', () => {
    return met() && w.pods({ leaving: true }).length >= 2 && w.pods().length === 0
  })
  for (const pod of w.pods({ leaving: true })) await w.hollow.release(pod)
  await w.frame('what is held is named', () => {
    return (
      met()?.includes('NamespaceFinalizersRemaining') && w.list(Pod).length === 0 && w.list(Deployment).length === 0
    )
  })
  await w.patch(ConfigMap, 'held', { metadata: { finalizers: null } })
  await w.frame('gone', () => w.hollow.lister.get(Namespace, w.ns) === undefined)
})

scenario('what every namespace has', async (w) => {
  w.compare(everything)
  await w.frame('from the start', () => w.list(ServiceAccount).length === 1)
  const before = [w.find(ServiceAccount, 'default'), w.find(ConfigMap, 'kube-root-ca.crt')].map(
    (one) => one!.metadata.uid,
  )
  await w.delete(ServiceAccount, 'default')
  await w.delete(ConfigMap, 'kube-root-ca.crt')
  await w.until('both anew', () => {
    const now = [w.find(ServiceAccount, 'default'), w.find(ConfigMap, 'kube-root-ca.crt')]
    return now.every((one, index) => one !== undefined && one.metadata.uid !== before[index])
  })
  await w.patch(ConfigMap, 'kube-root-ca.crt', { data: { 'ca.crt': 'nonsense' } })
  await w.frame('put right', () => w.find(ConfigMap, 'kube-root-ca.crt')?.data?.['ca.crt']?.startsWith('-----BEGIN'))
})
