import { type objects, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '#kube'
import { parseQuantity } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { isTerminal } from '../shared/index.ts'
import { className, classOf, findVolume, isReservedFor, mismatch } from './match.ts'
import { claimsOf } from './protection.ts'

/** Annotations that tell how a claim and its volume found each other (upstream's persistentvolume-binder). */
const bindCompleted = 'pv.kubernetes.io/bind-completed'
const boundByController = 'pv.kubernetes.io/bound-by-controller'
const provisionedBy = 'pv.kubernetes.io/provisioned-by'
const provisioner = 'cuddle.dev/local'
/** Where volumes that are made here are said to lie; where they do lie is the node agent's business. */
const directory = '/var/lib/cuddle/volumes/'
/** Until releases said themselves what goes with a claim, its claim held it with this one. */
const formerFinalizer = 'cuddle.dev/volume'
/** Claims of a class that has no volume for them are looked at again so often, ms (upstream's --pvclaimbinder-sync-period). */
const patienceMs = 15_000

type Claim = objects.PersistentVolumeClaim
type Volume = objects.PersistentVolume

/**
 * Binds claims to volumes: to one that was made by hand and fits, or, where a claim names no class or ours, to one that is made for
 * it. That one's directory is named by the claim's uid, so that a claim of the same name never finds another's data.
 */
export function volumeController(): Controller<any> {
  return controller(PersistentVolumeClaim, {
    name: 'persistentvolume-binder',
    writes: [PersistentVolume],
    watches: [
      { type: PersistentVolume, map: claimsFor },
      // Claims of a class that waits for its first consumer.
      { type: Pod, map: claimsOf },
    ],
  }).step('bind', (axn: Axn<any>) => {
    const claim = axn.object as Claim
    axn = withoutFormer(axn, claim.metadata.finalizers ?? [])
    if (axn.deleting) return axn
    if (claim.metadata.annotations?.[bindCompleted] !== undefined) return keepBound(axn, claim)
    return claim.spec?.volumeName ? bindTo(axn, claim, claim.spec.volumeName) : search(axn, claim)
  })
}

/** Those to which a volume may matter: its own, or all that have none. */
function claimsFor(volume: Volume, lister: Lister) {
  const ref = volume.spec?.claimRef
  return ref?.name ? [{ name: ref.name, namespace: ref.namespace }] : pending(lister)
}

function pending(lister: Lister) {
  return lister
    .list(PersistentVolumeClaim)
    .filter(({ spec }) => !spec?.volumeName)
    .map(({ metadata }) => ({ name: metadata.name!, namespace: metadata.namespace }))
}

/** True for a volume that was made for a claim here: it goes with the claim, and its directory is the node agent's. */
export function isProvisioned({ spec }: Volume): boolean {
  return spec?.hostPath?.path.startsWith(directory) ?? false
}

function withoutFormer(axn: Axn<any>, finalizers: readonly string[]): Axn<any> {
  if (!finalizers.includes(formerFinalizer)) return axn
  const { resourceVersion } = axn.object.metadata
  const metadata = { resourceVersion, finalizers: finalizers.filter((one) => one !== formerFinalizer) }
  return axn.patch({ type: PersistentVolumeClaim, name: axn.name, namespace: axn.namespace }, { metadata })
}

async function search(axn: Axn<any>, claim: Claim): Promise<Axn<any>> {
  const wanted = classOf(claim)
  const storageClass = wanted ? await axn.kube.find(StorageClass, wanted) : undefined
  const waits = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !isConsumed(axn)
  const volume = findVolume(axn.lister.list(PersistentVolume), claim, { reserved: waits })
  if (volume) return bind(axn, claim, volume)
  if (!waits && (wanted === undefined || wanted === className)) return provision(axn, claim)
  const [reason, message] = whyNone(wanted, storageClass, waits)
  const type = reason === 'ProvisioningFailed' ? 'Warning' : 'Normal'
  return axn.event(reason, message, { type }).requeueAfter(patienceMs)
}

/** Why there is no volume, in upstream's words. */
function whyNone(
  wanted: string | undefined,
  found: objects.StorageClass | undefined,
  waits: boolean,
): [string, string] {
  if (waits) return ['WaitForFirstConsumer', 'waiting for first consumer to be created before binding']
  if (!wanted) return ['FailedBinding', 'no persistent volumes available for this claim and no storage class is set']
  if (!found) return ['ProvisioningFailed', `storageclass.storage.k8s.io "${wanted}" not found`]
  return [
    'ExternalProvisioning',
    `Waiting for a volume to be created either by the external provisioner '${found.provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
  ]
}

/** A pod that has a node uses the claim. */
function isConsumed(axn: Axn<any>): boolean {
  return axn.lister
    .list(Pod, { namespace: axn.namespace })
    .some((pod) => pod.spec?.nodeName && !isTerminal(pod) && claimsOf(pod).some(({ name }) => name === axn.name))
}

/** The claim asks for a volume by name. */
function bindTo(axn: Axn<any>, claim: Claim, name: string): Axn<any> {
  const volume = axn.lister.get(PersistentVolume, name)
  if (!volume) return axn
  if (!volume.spec?.claimRef) {
    const problem = mismatch(volume, claim)
    if (!problem) return bind(axn, claim, volume)
    return axn.event('VolumeMismatch', `Cannot bind to requested volume "${name}": ${problem}`, { type: 'Warning' })
  }
  if (isReservedFor(volume, claim)) return bind(axn, claim, volume)
  return axn.event('FailedBinding', `volume "${name}" already bound to a different claim.`, { type: 'Warning' })
}

/** A claim that was bound stays so, or is lost with its volume. */
function keepBound(axn: Axn<any>, claim: Claim): Axn<any> {
  const name = claim.spec?.volumeName
  const volume = name && axn.lister.get(PersistentVolume, name)
  if (!volume) {
    const what = name ? 'its PersistentVolume' : 'reference to PersistentVolume'
    return lost(axn, 'ClaimLost', `Bound claim has lost ${what}. Data on the volume is lost!`)
  }
  const ref = volume.spec?.claimRef
  if (ref && ref.uid !== claim.metadata.uid && !isReservedFor(volume, claim))
    return lost(axn, 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
  return bind(axn, claim, volume)
}

function lost(axn: Axn<any>, reason: string, message: string): Axn<any> {
  if (axn.object.status?.phase === 'Lost') return axn
  return axn
    .event(reason, message, { type: 'Warning' })
    .status({ phase: 'Lost', accessModes: undefined, capacity: undefined })
}

/** Each says of the other that it is its own: the volume first, then the claim. What is so already is not written. */
function bind(axn: Axn<any>, claim: Claim, volume: Volume): Axn<any> {
  const { name, annotations, resourceVersion } = volume.metadata
  const ref = { type: PersistentVolume, name: name! }
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid) {
    const ours = !isReservedFor(volume, claim) && annotations?.[boundByController] === undefined
    const metadata = { resourceVersion, ...(ours && { annotations: { [boundByController]: 'yes' } }) }
    axn = axn.patch(ref, { metadata, spec: { claimRef: claimReference(axn, claim) } })
  }
  const grown = isProvisioned(volume) ? grownCapacity(volume, claim) : undefined
  if (grown) axn = axn.patch(ref, { spec: { capacity: grown } })
  if (volume.status?.phase !== 'Bound') axn = axn.patch(ref, { status: { phase: 'Bound' } }, { subresource: 'status' })
  return bindClaim(axn, claim, volume, grown)
}

function bindClaim(axn: Axn<any>, claim: Claim, volume: Volume, grown?: Record<string, string | number>): Axn<any> {
  const { annotations = {} } = claim.metadata
  const { name } = volume.metadata
  const found = claim.spec?.volumeName !== name
  if (found || annotations[bindCompleted] === undefined) {
    const marks = { [bindCompleted]: 'yes', ...(found && { [boundByController]: 'yes' }) }
    const patch = { metadata: { annotations: marks }, ...(found && { spec: { volumeName: name } }) }
    axn = axn.patch({ type: PersistentVolumeClaim, name: axn.name, namespace: axn.namespace }, patch)
  }
  const { accessModes, capacity } = volume.spec ?? {}
  const settled = claim.status?.phase === 'Bound' && !grown
  return axn.status({ phase: 'Bound', accessModes, ...(!settled && { capacity: grown ?? capacity }) })
}

/** A directory is as large as its claim asks for. */
function grownCapacity(volume: Volume, claim: Claim): Record<string, string | number> | undefined {
  const storage = claim.spec?.resources?.requests?.['storage']
  const now = parseQuantity(volume.spec?.capacity?.['storage'] ?? 0) ?? 0
  return storage !== undefined && (parseQuantity(storage) ?? 0) > now ? { storage } : undefined
}

function claimReference({ lister, namespace, name }: Axn<any>, claim: Claim): object {
  const { uid, resourceVersion } = lister.get(PersistentVolumeClaim, name, namespace)?.metadata ?? claim.metadata
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion }
}

function provision(axn: Axn<any>, claim: Claim): Axn<any> {
  const storage = claim.spec?.resources?.requests?.['storage'] ?? '1Gi'
  if (!parseQuantity(storage)) return axn
  if (claim.spec?.volumeMode === 'Block')
    return axn.event('ProvisioningFailed', `the class "${className}" has directories, no block devices`, {
      type: 'Warning',
    })
  const { uid } = claim.metadata
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `pvc-${uid}`, annotations: { [provisionedBy]: provisioner } },
    spec: {
      capacity: { storage },
      accessModes: claim.spec?.accessModes,
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: className,
      volumeMode: 'Filesystem',
      claimRef: claimReference(axn, claim),
      hostPath: { path: directory + uid },
    },
  } as Volume
  return bind(axn.create(PersistentVolume, volume, { owned: false }), claim, volume)
}
