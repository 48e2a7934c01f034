import { forbidden, notFound } from '../status.ts'
import type { Plugin } from './plugin.ts'

/** Nothing is created in a namespace that is missing or going away. */
export const namespaceLifecycle: Plugin = {
  mutate(rr, { operation, object }) {
    if (operation !== 'CREATE' || rr.namespace === undefined) return
    const namespace = rr.api.store.peek('core/namespaces', rr.namespace)
    if (!namespace) throw notFound({ group: '', plural: 'namespaces' }, rr.namespace)
    if (!namespace.object.metadata.deletionTimestamp) return
    const why = `unable to create new content in namespace ${rr.namespace} because it is being terminated`
    throw forbidden(rr.info, rr.name ?? object.metadata.name ?? '', why, [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${rr.namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ])
  },
}
