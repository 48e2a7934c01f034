import { matches, type objects } from '#kube'
import { parseQuantity } from '#lib'

/** The class of volumes that are made for claims which name none: a directory on this machine, as its node agent keeps it. */
export const className = 'cuddle-local'
const betaClass = 'volume.beta.kubernetes.io/storage-class'

type Volume = objects.PersistentVolume
type Claim = objects.PersistentVolumeClaim

/** Undefined: none was asked for, which is not the same as "". */
export function classOf({ metadata, spec }: Claim | Volume): string | undefined {
  return metadata.annotations?.[betaClass] ?? spec?.storageClassName
}

/** The volume says that it is for this claim, or for one of its name. */
export function isReservedFor({ spec }: Volume, { metadata }: Claim): boolean {
  const ref = spec?.claimRef
  if (!ref || ref.name !== metadata.name || ref.namespace !== metadata.namespace) return false
  return !ref.uid || ref.uid === metadata.uid
}

/** Why a volume that a claim asks for by name does not do, in upstream's words; undefined when it does. */
export function mismatch(volume: Volume, claim: Claim): string | undefined {
  if (volume.metadata.deletionTimestamp) return `the volume is marked for deletion "${volume.metadata.name}"`
  if (sizeOf(volume) < requestOf(claim)) return 'requested PV is too small'
  if (!sameClass(volume, claim)) return 'storageClassName does not match'
  if (attributesOf(volume) !== attributesOf(claim)) return 'volumeAttributesClassName does not match'
  if (modeOf(volume) !== modeOf(claim)) return 'incompatible volumeMode'
  return allows(volume, claim) ? undefined : 'incompatible accessMode'
}

/**
 * The volume that a claim without one gets: that which is reserved for it, else the smallest that is large enough, of those with
 * the fewest access modes (upstream's FindMatchingVolume). `reserved`: no other than a reserved one.
 */
export function findVolume(volumes: readonly Volume[], claim: Claim, { reserved = false } = {}): Volume | undefined {
  const fit = volumes.filter(
    (volume) =>
      (!volume.spec?.claimRef || isReservedFor(volume, claim)) &&
      !volume.metadata.deletionTimestamp &&
      sizeOf(volume) >= requestOf(claim) &&
      modeOf(volume) === modeOf(claim) &&
      attributesOf(volume) === attributesOf(claim) &&
      allows(volume, claim),
  )
  const own = fit.find((volume) => isReservedFor(volume, claim))
  if (own || reserved) return own
  const { selector } = claim.spec ?? {}
  return fit
    .filter((volume) => volume.status?.phase === 'Available' && sameClass(volume, claim))
    .filter(({ metadata }) => !selector || matches(selector, metadata.labels))
    .sort((a, b) => modesOf(a).length - modesOf(b).length || sizeOf(a) - sizeOf(b))[0]
}

function sameClass(volume: Volume, claim: Claim): boolean {
  const wanted = classOf(claim)
  const found = classOf(volume) ?? ''
  return wanted === undefined ? found === '' || found === className : found === wanted
}

const sizeOf = ({ spec }: Volume) => parseQuantity(spec?.capacity?.['storage'] ?? 0) ?? 0
const requestOf = ({ spec }: Claim) => parseQuantity(spec?.resources?.requests?.['storage'] ?? 0) ?? 0
const modeOf = ({ spec }: Volume | Claim) => spec?.volumeMode ?? 'Filesystem'
const attributesOf = ({ spec }: Volume | Claim) => spec?.volumeAttributesClassName ?? ''
const modesOf = ({ spec }: Volume | Claim) => spec?.accessModes ?? []
const allows = (volume: Volume, claim: Claim) => modesOf(claim).every((mode) => modesOf(volume).includes(mode))
