import assert from 'node:assert/strict'
import { type objects, PersistentVolume, PersistentVolumeClaim, Pod, StatefulSet } from '#kube'
import { compared } from '../kinds.ts'
import { image, statefulSet } from '../objects.ts'
import { scenario } from '../scenario.ts'
import { isReady, type World } from '../world.ts'

/** Of each pod its image and whether it is ready: `db-0:1 ready`. */
const state = (w: World): string[] =>
  w.list(Pod).map((pod) => {
    const tag = pod.spec!.containers[0].image!.replace('example.com/app:', '')
    const leaving = pod.metadata.deletionTimestamp ? ' leaving' : ''
    return `${pod.metadata.name}:${tag}${isReady(pod) ? ' ready' : ''}${leaving}`
  })
const is = (w: World, ...expected: string[]) => {
  return () => {
    assert.deepEqual(state(w), expected)
    const { status, metadata } = w.find(StatefulSet, 'db')!
    return status?.observedGeneration === metadata.generation
  }
}
const named = (w: World, name: string): objects.Pod => w.find(Pod, name)!

scenario('a StatefulSet comes up in order and goes in reverse', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 3 }, { does: 'running' }))
  await w.frame('the first', is(w, 'db-0:1'))
  await w.hollow.tell(named(w, 'db-0'), 'ready')
  await w.frame('the second', is(w, 'db-0:1 ready', 'db-1:1'))
  await w.hollow.tell(named(w, 'db-1'), 'ready')
  await w.frame('the third', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1'))
  await w.hollow.tell(named(w, 'db-2'), 'ready')
  await w.frame('all', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready'))
  await w.hollow.tell(named(w, 'db-0'), 'running')
  await w.frame('one is not well', is(w, 'db-0:1', 'db-1:1 ready', 'db-2:1 ready'))
  await w.scale(StatefulSet, 'db', 1)
  await w.frame('scaled down meanwhile', () => w.find(StatefulSet, 'db')!.status!.observedGeneration === 2)
  await w.hollow.tell(named(w, 'db-0'), 'ready')
  await w.frame('scaled down', is(w, 'db-0:1 ready'))
  await w.scale(StatefulSet, 'db', 0)
  await w.frame('nothing', is(w))
})

scenario('scaling down takes one pod at a time', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 3 }, { lingers: true }))
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready'))
  await w.scale(StatefulSet, 'db', 1)
  await w.frame('the last leaves', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready leaving'))
  await w.hollow.release(named(w, 'db-2'))
  await w.frame('the next leaves', is(w, 'db-0:1 ready', 'db-1:1 ready leaving'))
  await w.scale(StatefulSet, 'db', 2)
  await w.frame('wanted again', is(w, 'db-0:1 ready', 'db-1:1 ready leaving'))
  await w.hollow.release(named(w, 'db-1'))
  await w.frame('back', is(w, 'db-0:1 ready', 'db-1:1 ready'))
})

scenario('a Parallel StatefulSet does not wait', async (w) => {
  await w.node()
  const spec = { replicas: 3, podManagementPolicy: 'Parallel' }
  await w.create(StatefulSet, statefulSet(w, 'db', spec, { does: 'running' }))
  await w.frame('created', is(w, 'db-0:1', 'db-1:1', 'db-2:1'))
  await w.scale(StatefulSet, 'db', 5)
  await w.frame('more', is(w, 'db-0:1', 'db-1:1', 'db-2:1', 'db-3:1', 'db-4:1'))
  await w.scale(StatefulSet, 'db', 1)
  await w.frame('fewer', is(w, 'db-0:1'))
})

scenario('a StatefulSet is updated from the last to the first', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 3 }, { does: 'running' }))
  for (const name of ['db-0', 'db-1', 'db-2']) {
    await w.until(name, () => named(w, name)?.status?.phase === 'Running')
    await w.hollow.tell(named(w, name), 'ready')
  }
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready'))
  await w.patch(StatefulSet, 'db', image(2))
  await w.frame('the last', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:2'))
  await w.hollow.tell(named(w, 'db-2'), 'ready')
  await w.frame('the second', is(w, 'db-0:1 ready', 'db-1:2', 'db-2:2 ready'))
  await w.hollow.tell(named(w, 'db-1'), 'ready')
  await w.frame('the first', is(w, 'db-0:2', 'db-1:2 ready', 'db-2:2 ready'))
  await w.hollow.tell(named(w, 'db-0'), 'ready')
  await w.frame('all', is(w, 'db-0:2 ready', 'db-1:2 ready', 'db-2:2 ready'))
})

scenario('a StatefulSet that is updated while it is broken, and taken back', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 2 }))
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready'))
  await w.hollow.tell(named(w, 'db-0'), 'running')
  await w.frame('broken', is(w, 'db-0:1', 'db-1:1 ready'))
  await w.patch(StatefulSet, 'db', image(2))
  await w.frame('updated', () => w.find(StatefulSet, 'db')!.status!.observedGeneration === 2)
  await w.patch(StatefulSet, 'db', image(1))
  await w.frame('taken back', () => w.find(StatefulSet, 'db')!.status!.observedGeneration === 3)
  await w.hollow.tell(named(w, 'db-0'), 'ready')
  await w.frame('mended', is(w, 'db-0:1 ready', 'db-1:1 ready'))
})

scenario('a partition keeps the lower ordinals', async (w) => {
  await w.node()
  const updateStrategy = { rollingUpdate: { partition: 2 } }
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 3, updateStrategy }))
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready'))
  await w.patch(StatefulSet, 'db', image(2))
  await w.frame('the third', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:2 ready'))
  await w.kube.delete(Pod, 'db-0', w.ns)
  await w.frame(
    'the first came back as it was',
    () => named(w, 'db-0') && is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:2 ready')(),
  )
  await w.patch(StatefulSet, 'db', { spec: { updateStrategy: { rollingUpdate: { partition: 1 } } } })
  await w.frame('the second', is(w, 'db-0:1 ready', 'db-1:2 ready', 'db-2:2 ready'))
  await w.patch(StatefulSet, 'db', { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } })
  await w.frame('all', is(w, 'db-0:2 ready', 'db-1:2 ready', 'db-2:2 ready'))
})

scenario('OnDelete updates what is deleted', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 2, updateStrategy: { type: 'OnDelete' } }))
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready'))
  await w.patch(StatefulSet, 'db', image(2))
  await w.frame('nothing happens', is(w, 'db-0:1 ready', 'db-1:1 ready'))
  await w.kube.delete(Pod, 'db-0', w.ns)
  await w.frame('the deleted one', is(w, 'db-0:2 ready', 'db-1:1 ready'))
  await w.kube.delete(Pod, 'db-1', w.ns)
  await w.frame('both', is(w, 'db-0:2 ready', 'db-1:2 ready'))
})

scenario('several may be unavailable in an update', async (w) => {
  await w.node()
  const updateStrategy = { rollingUpdate: { maxUnavailable: 2 } }
  const spec = { replicas: 4, updateStrategy, podManagementPolicy: 'Parallel' }
  await w.create(StatefulSet, statefulSet(w, 'db', spec, { does: 'running' }))
  await w.until('four', () => w.pods({ phase: 'Running' }).length === 4)
  await w.tell('ready', {})
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:1 ready', 'db-3:1 ready'))
  await w.patch(StatefulSet, 'db', image(2))
  await w.frame('two', is(w, 'db-0:1 ready', 'db-1:1 ready', 'db-2:2', 'db-3:2'))
  await w.hollow.tell(named(w, 'db-3'), 'ready')
  await w.frame('another', is(w, 'db-0:1 ready', 'db-1:2', 'db-2:2', 'db-3:2 ready'))
  await w.tell('ready', { ready: false })
  await w.frame('the last', is(w, 'db-0:2', 'db-1:2 ready', 'db-2:2 ready', 'db-3:2 ready'))
})

scenario('ordinals that start elsewhere', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 2, ordinals: { start: 3 } }))
  await w.frame('created', is(w, 'db-3:1 ready', 'db-4:1 ready'))
  await w.patch(StatefulSet, 'db', { spec: { ordinals: { start: 2 } } })
  await w.frame('moved', is(w, 'db-2:1 ready', 'db-3:1 ready'))
})

scenario('pods of a StatefulSet that fail or are deleted come back', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 2 }))
  await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready'))
  const { uid } = named(w, 'db-0').metadata
  await w.patch(Pod, 'db-0', { status: { phase: 'Failed', reason: 'Evicted' } }, 'status')
  await w.frame('replaced', () => named(w, 'db-0')?.metadata.uid !== uid && is(w, 'db-0:1 ready', 'db-1:1 ready')())
})

scenario('the history of a StatefulSet', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 1, revisionHistoryLimit: 1 }))
  await w.frame('1', is(w, 'db-0:1 ready'))
  for (const tag of [2, 3, 4, 2]) {
    await w.patch(StatefulSet, 'db', image(tag))
    await w.frame(`to ${tag}`, is(w, `db-0:${tag} ready`))
  }
})

scenario('pods of a StatefulSet are available after a while', async (w) => {
  await w.node()
  await w.create(StatefulSet, statefulSet(w, 'db', { replicas: 2, minReadySeconds: 2 }))
  await w.until('the first', is(w, 'db-0:1 ready'))
  await w.frame('both', () => w.find(StatefulSet, 'db')!.status!.availableReplicas === 2)
})

for (const [whenScaled, whenDeleted] of [
  ['Delete', 'Retain'],
  ['Retain', 'Delete'],
] as const) {
  scenario(`claims: scaled ${whenScaled}, deleted ${whenDeleted}`, async (w) => {
    await w.node()
    w.compare([...compared, PersistentVolume])
    for (const claim of ['data-db-0', 'data-db-1']) {
      await w.create(PersistentVolume, {
        metadata: { name: `${w.ns}-${claim}`, labels: { scenario: w.ns } },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'by-hand',
          persistentVolumeReclaimPolicy: 'Retain',
          claimRef: { namespace: w.ns, name: claim },
          hostPath: { path: '/nowhere' },
        },
      })
      w.later(() => w.kube.delete(PersistentVolume, `${w.ns}-${claim}`))
    }
    const claim = {
      metadata: { name: 'data' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'by-hand',
        resources: { requests: { storage: '1Gi' } },
      },
    }
    const mounts = {
      containers: [{ name: 'app', image: 'example.com/app:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    }
    const policy = { whenScaled, whenDeleted }
    const spec = { replicas: 2, volumeClaimTemplates: [claim], persistentVolumeClaimRetentionPolicy: policy }
    await w.create(StatefulSet, statefulSet(w, 'db', spec, { spec: mounts }))
    await w.frame('created', is(w, 'db-0:1 ready', 'db-1:1 ready'))
    await w.scale(StatefulSet, 'db', 1)
    const claims = (count: number) => () => w.list(PersistentVolumeClaim).length === count
    await w.frame('scaled', () => is(w, 'db-0:1 ready')() && claims(whenScaled === 'Delete' ? 1 : 2)())
    await w.delete(StatefulSet, 'db')
    await w.frame('deleted', () => w.list(Pod).length === 0 && claims(whenDeleted === 'Delete' ? 0 : 1)())
  })
}
