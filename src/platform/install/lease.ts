import { type Kube, Lease } from '#kube'
import type { Clock } from '#lib'
import { systemNamespace } from '../context.ts'

/** The lease of whoever drives the apps of a cluster. */
export const leaseName = 'cuddle'
/** Longer than a holder waits between two renewals, ms. */
const watchFor = 3_000

/**
 * Who else drives the apps of this cluster right now; undefined when nobody does. The clocks of two machines need not agree,
 * so a holder is one that renews while we look. @param identity ours
 */
export async function otherPlatform(kube: Kube, identity: string, clock: Clock): Promise<string | undefined> {
  const look = () => kube.find(Lease, leaseName, systemNamespace)
  const first = await look()
  const holder = first?.spec?.holderIdentity
  if (!holder || holder === identity) return undefined
  await clock.sleep(watchFor)
  const second = await look()
  const renewed = second?.metadata.resourceVersion !== first?.metadata.resourceVersion
  return renewed && second?.spec?.holderIdentity === holder ? holder : undefined
}
