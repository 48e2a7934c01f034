import type { KubeObject } from '#kube'
import { equal, errorMessage } from '#lib'
import { localRequest } from '../local-request.ts'
import { type Api, idOf } from '../request.ts'
import { updateObject } from '../write.ts'
import { quantityOf } from './amounts.ts'
import { isBytes } from './quota.ts'
import { countedResources, namespaceUsage } from './usage.ts'

const resource = 'core/resourcequotas'
const writing = {
  dryRun: false,
  fieldManager: '',
  manager: 'kube-apiserver',
  fieldValidation: 'Ignore',
  force: false,
} as const

/** Keeps the status of every ResourceQuota what its namespace uses. Returns the way out. */
export function startQuotaStatus(api: Api): () => void {
  const info = api.registry.lookup('', 'v1', 'resourcequotas')!
  const dirty = new Set<string>()
  const subscriptions = new Map<string, () => void>()
  let stopped = false

  /** Listens to every resource that any quota counts. Those that none counts any more cost a look each. */
  function follow(quota: KubeObject): void {
    for (const counted of Object.keys(quota['spec']?.hard ?? {}).flatMap(countedResources)) {
      if (subscriptions.has(counted)) continue
      subscriptions.set(
        counted,
        api.store.subscribe(counted, (event) => mark(event.after.namespace)),
      )
    }
  }

  function mark(namespace: string | undefined): void {
    if (namespace === undefined || stopped) return
    if (dirty.size === 0) queueMicrotask(() => void run())
    dirty.add(namespace)
  }

  async function run(): Promise<void> {
    const namespaces = [...dirty]
    dirty.clear()
    for (const namespace of namespaces) {
      for (const { object } of api.store.list(resource, namespace)) {
        await settle(object).catch((error) => {
          if (!stopped) api.log.warn({ error: errorMessage(error) }, 'the status of a quota could not be written')
        })
      }
    }
  }

  async function settle({ metadata }: KubeObject): Promise<void> {
    if (stopped || !api.store.peek(resource, idOf(metadata.namespace, metadata.name!))) return
    const rr = { ...localRequest(api, info, metadata.namespace), name: metadata.name!, subresource: 'status' }
    await updateObject(rr, writing, (current) => {
      const hard = current['spec']?.hard ?? {}
      const usage = [...namespaceUsage(api.store, current)].sort(([a], [b]) => (a < b ? -1 : 1))
      const used = Object.fromEntries(usage.map(([name, amount]) => [name, quantityOf(amount, isBytes(name))]))
      const status = { hard, used }
      return equal(current['status'], status) ? current : { ...current, status }
    })
  }

  const unsubscribe = api.store.subscribe(resource, ({ type, after }) => {
    if (type === 'DELETED') return
    follow(after.object)
    mark(after.namespace)
  })
  for (const { object, namespace } of api.store.list(resource)) {
    follow(object)
    mark(namespace)
  }
  return () => {
    stopped = true
    unsubscribe()
    for (const stop of subscriptions.values()) stop()
  }
}
