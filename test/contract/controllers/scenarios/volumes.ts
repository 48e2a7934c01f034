import { type objects, PersistentVolume, PersistentVolumeClaim } from '#kube'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

const kinds = [PersistentVolume, PersistentVolumeClaim]

/** A volume made by hand, of a class that is this scenario's alone. */
async function volume(w: World, name: string, storage: string, spec: object = {}): Promise<void> {
  const full = `${w.ns}-${name}`
  await w.create(PersistentVolume, {
    metadata: { name: full, labels: { scenario: w.ns, size: name } },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce'],
      storageClassName: w.ns,
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: '/nowhere' },
      ...spec,
    },
  })
  w.later(() => w.kube.delete(PersistentVolume, full))
}

const claim = (w: World, name: string, storage: string, spec: object = {}) =>
  w.create(PersistentVolumeClaim, {
    metadata: { name },
    spec: {
      storageClassName: w.ns,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage } },
      ...spec,
    },
  })

const phaseOf = (w: World, name: string) => w.find(PersistentVolume, `${w.ns}-${name}`)?.status?.phase
const bound = (w: World, name: string): string | undefined => {
  const found = w.find(PersistentVolumeClaim, name) as objects.PersistentVolumeClaim | undefined
  return found?.status?.phase === 'Bound' ? found.spec?.volumeName?.slice(w.ns.length + 1) : undefined
}

scenario('a claim gets the smallest volume that is large enough', async (w) => {
  w.compare(kinds)
  await volume(w, 'small', '1Gi')
  await volume(w, 'large', '10Gi')
  await volume(w, 'middle', '5Gi')
  await volume(w, 'shared', '2Gi', { accessModes: ['ReadWriteOnce', 'ReadWriteMany'] })
  await volume(w, 'other', '2Gi', { storageClassName: 'other' })
  await volume(w, 'block', '2Gi', { volumeMode: 'Block' })
  await w.frame('all may be claimed', () =>
    w.list(PersistentVolume).every(({ status }) => status?.phase === 'Available'),
  )
  await claim(w, 'two', '2Gi')
  await w.frame('fewer modes go before less room', () => bound(w, 'two') === 'middle')
  await claim(w, 'many', '1Gi', { accessModes: ['ReadWriteMany'] })
  await claim(w, 'chosen', '1Gi', { selector: { matchLabels: { size: 'large' } } })
  await w.frame('by mode and by label', () => bound(w, 'many') === 'shared' && bound(w, 'chosen') === 'large')
  await claim(w, 'huge', '100Gi')
  await claim(w, 'classless', '1Gi', { storageClassName: '' })
  await w.frame('none for two', () => w.list(PersistentVolumeClaim).length === 5)
})

scenario('volumes and claims that name each other', async (w) => {
  w.compare(kinds)
  await volume(w, 'reserved', '1Gi', { claimRef: { namespace: w.ns, name: 'mine' } })
  await volume(w, 'named', '1Gi')
  await w.frame(
    'both may be claimed',
    () => phaseOf(w, 'reserved') === 'Available' && phaseOf(w, 'named') === 'Available',
  )
  await claim(w, 'asking', '1Gi', { volumeName: `${w.ns}-named` })
  await claim(w, 'refused', '1Gi', { volumeName: `${w.ns}-reserved` })
  await w.frame('one is bound', () => bound(w, 'asking') === 'named')
  await claim(w, 'mine', '1Gi')
  await w.frame('the other, too', () => bound(w, 'mine') === 'reserved')
})

scenario(
  'a volume that was made by hand outlives its claim, and a claim does not get over losing its volume',
  async (w) => {
    w.compare(kinds)
    await volume(w, 'kept', '1Gi')
    await w.until('it may be claimed', () => phaseOf(w, 'kept') === 'Available')
    await claim(w, 'first', '1Gi')
    await w.frame('bound', () => bound(w, 'first') === 'kept')
    await w.kube.delete(PersistentVolumeClaim, 'first', w.ns)
    await w.frame('released', () => phaseOf(w, 'kept') === 'Released' && w.list(PersistentVolumeClaim).length === 0)
    await w.patch(PersistentVolume, `${w.ns}-kept`, { spec: { claimRef: null } })
    await w.frame('taken back', () => phaseOf(w, 'kept') === 'Available')
    await claim(w, 'second', '1Gi')
    await w.frame('bound again', () => bound(w, 'second') === 'kept')
    await w.kube.delete(PersistentVolume, `${w.ns}-kept`)
    await w.patch(PersistentVolume, `${w.ns}-kept`, { metadata: { finalizers: null } })
    await w.frame('lost', () => w.find(PersistentVolumeClaim, 'second')?.status?.phase === 'Lost')
  },
)
