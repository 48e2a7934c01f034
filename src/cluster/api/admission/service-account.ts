import { randomSuffix } from '#lib'
import { forbidden } from '../status.ts'
import { containersOf, isNewPod, type Plugin } from './plugin.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Every pod runs as a ServiceAccount. The token is mounted unless pod or account opt out with automountServiceAccountToken.
 * An account that does not exist is refused, but for `default`: the controllers make it in every namespace when they get to it,
 * and until then a pod is as good as it will be afterwards.
 */
export const serviceAccount: Plugin = {
  mutate(rr, attributes) {
    const spec = attributes.object.spec
    if (!isNewPod(rr, attributes) || typeof spec !== 'object' || spec === null) return
    spec.serviceAccountName ||= spec.serviceAccount || 'default'
    spec.serviceAccount = spec.serviceAccountName
    const account = rr.api.store.peek('core/serviceaccounts', `${rr.namespace}/${spec.serviceAccountName}`)?.object
    if (!account && spec.serviceAccountName !== 'default') {
      const why = `error looking up service account ${rr.namespace}/${spec.serviceAccountName}: serviceaccount ${JSON.stringify(spec.serviceAccountName)} not found`
      throw forbidden(rr.info, attributes.object.metadata.name ?? '', why)
    }
    if (account?.['imagePullSecrets'] && !spec.imagePullSecrets) spec.imagePullSecrets = account['imagePullSecrets']
    const automount = spec.automountServiceAccountToken ?? account?.['automountServiceAccountToken'] ?? true
    if (!automount || !Array.isArray(spec.containers)) return
    const containers = containersOf(spec).filter(
      (container) =>
        !(
          Array.isArray(container.volumeMounts) &&
          container.volumeMounts.some((one: any) => one?.mountPath === mountPath)
        ),
    )
    if (containers.length === 0) return
    const name = `kube-api-access-${randomSuffix()}`
    spec.volumes = [
      ...(Array.isArray(spec.volumes) ? spec.volumes : []),
      { name, projected: { defaultMode: 420, sources: sources() } },
    ]
    for (const container of containers) {
      const mounts = Array.isArray(container.volumeMounts) ? container.volumeMounts : []
      container.volumeMounts = [...mounts, { name, readOnly: true, mountPath }]
    }
  },
}

function sources() {
  return [
    { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] },
    },
  ]
}
