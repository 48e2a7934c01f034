import type { Kube, objects } from '#kube'
import type { Clock, Logger } from '#lib'
import type { Nameserver } from '../resolv-conf.ts'
import type { AddressPool } from './address.ts'
import type { Cgroups } from './cgroups.ts'
import type { EventRecorder } from './events.ts'
import type { ImageStore } from './images.ts'
import type { MemoryGuard } from './memory-guard.ts'
import type { Namespaces } from './mounts.ts'
import type { BackoffRules } from './plan.ts'
import type { PodRecord } from './record.ts'

/** What the pods of one virtual node share. */
export interface NodeContext {
  readonly name: string
  readonly kube: Kube
  readonly clock: Clock
  readonly log: Logger
  readonly events: EventRecorder
  readonly images: ImageStore
  readonly cgroups: Cgroups | undefined
  /** Enforces memory limits where there are no cgroups. */
  readonly guard: MemoryGuard
  readonly addresses: AddressPool
  readonly hostIP: string
  /** In the environment of every process, as CUDDLE_NODE: what belongs to this home. */
  readonly mark: string
  readonly allocatable: { cpu: number; memoryBytes: number }
  /** The pods of this node. */
  records(): Iterable<PodRecord>
  /** home/node/pods and home/node/volumes. */
  readonly pods: string
  readonly claims: string
  readonly shim: string
  readonly backoff: BackoffRules
  /** Of these only PATH and LANG reach a container. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>
  /** How mount namespaces can be made here; found out once, when first needed. */
  namespaces(): Promise<Namespaces | undefined>
  /** The cluster's DNS. */
  readonly nameserver: Promise<Nameserver | undefined>
  /** default/kubernetes, once known. */
  kubernetesService(): Promise<objects.Service | undefined>
}
