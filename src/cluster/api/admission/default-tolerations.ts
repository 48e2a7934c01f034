import type { Plugin } from './plugin.ts'

/** DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or unreachable. */
export const defaultTolerations: Plugin = {
  mutate(rr, attributes) {
    const spec = attributes.object.spec
    // Also when they were taken away: an update that does so is none.
    if (rr.resource !== 'core/pods' || rr.subresource !== undefined || typeof spec !== 'object' || spec === null) return
    if (spec.tolerations !== undefined && !Array.isArray(spec.tolerations)) return
    const tolerations: any[] = spec.tolerations ?? []
    for (const condition of ['not-ready', 'unreachable']) {
      const key = `node.kubernetes.io/${condition}`
      const tolerated = tolerations.some(
        (one) => (one?.key === key || !one?.key) && (one?.effect === 'NoExecute' || !one?.effect),
      )
      if (!tolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })
    }
    spec.tolerations = tolerations
  },
}
