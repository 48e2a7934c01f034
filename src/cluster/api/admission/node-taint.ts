import type { Plugin } from './plugin.ts'

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/** TaintNodesByCondition: nothing goes on a new node before a controller has seen that it is ready. */
export const nodeTaint: Plugin = {
  mutate(rr, { operation, object }) {
    if (rr.resource !== 'core/nodes' || operation !== 'CREATE' || rr.subresource !== undefined) return
    const spec = object.spec ?? {}
    if (typeof spec !== 'object' || (spec.taints !== undefined && spec.taints !== null && !Array.isArray(spec.taints)))
      return
    const taints: any[] = spec.taints ?? []
    if (taints.some((one) => one?.key === taint.key && one?.effect === taint.effect)) return
    object.spec = { ...spec, taints: [...taints, { ...taint }] }
  },
}
