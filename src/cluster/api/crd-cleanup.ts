import type { KubeObject } from '#kube'
import { errorMessage } from '#lib'
import type { StoreEvent } from '../store/index.ts'
import { deleteObject } from './delete.ts'
import { localRequest } from './local-request.ts'
import { crdFinalizer, crdResource, resourceKey } from './registry.ts'
import type { Api } from './request.ts'

const background = { dryRun: false, gracePeriodSeconds: undefined, propagationPolicy: 'Background', preconditions: {} }

/** Deletes the objects of definitions that are being deleted, then lets the definitions go. Returns the way out. */
export function startCrdCleanup(api: Api): () => void {
  const waiting = new Map<string, () => void>()

  function start(crd: KubeObject): void {
    const name = crd.metadata.name!
    if (!crd.metadata.deletionTimestamp || !crd.metadata.finalizers?.includes(crdFinalizer) || waiting.has(name)) return
    const resource = resourceKey(crd['spec'].group, crd['spec'].names.plural)
    const finish = () => {
      if (api.store.count(resource) > 0) return
      waiting.get(name)?.()
      waiting.delete(name)
      void release(name).catch(report)
    }
    // Objects with finalizers go later; each that goes may be the last.
    waiting.set(
      name,
      api.store.subscribe(resource, (event) => {
        if (event.type === 'DELETED') queueMicrotask(finish)
      }),
    )
    void empty(crd, resource).then(finish, report)
  }

  async function empty(crd: KubeObject, resource: string): Promise<void> {
    const version = crd['spec'].versions.find((one: any) => one.storage)?.name
    const info = api.registry.lookup(crd['spec'].group, version, crd['spec'].names.plural)
    if (!info) return
    for (const stored of api.store.list(resource)) {
      await deleteObject(localRequest(api, info, stored.namespace), stored.object.metadata.name!, background).catch(
        report,
      )
    }
  }

  async function release(name: string): Promise<void> {
    await api.store.write(crdResource, name, (current) => {
      if (!current) return { keep: true }
      const { metadata } = current.object
      const finalizers = (metadata.finalizers ?? []).filter((one) => one !== crdFinalizer)
      if (finalizers.length === 0) return { delete: true }
      return { put: { ...current.object, metadata: { ...metadata, finalizers } } }
    })
  }

  function report(error: unknown): void {
    api.log.warn({ error: errorMessage(error) }, 'objects of a deleted definition could not be cleaned up')
  }

  const unsubscribe = api.store.subscribe(crdResource, (event: StoreEvent) => {
    if (event.type === 'MODIFIED') queueMicrotask(() => start(event.after.object))
  })
  for (const stored of api.store.list(crdResource)) start(stored.object)
  return () => {
    unsubscribe()
    for (const stop of waiting.values()) stop()
  }
}
