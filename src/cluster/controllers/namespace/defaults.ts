import { ConfigMap, Namespace, ServiceAccount } from '#kube'
import { equal } from '#lib'
import { type Axn, type Controller, controller } from '#operator'

/** A ConfigMap that somebody deleted or changed is put right within this time. */
const glanceMs = 20_000

/**
 * What every Namespace has: the ServiceAccount `default`, without which no pod is admitted, and the cluster's CA for those who
 * talk to the API. ConfigMaps are not cached for this one's sake: it is read when the Namespace or its accounts change, and now and then.
 */
export function namespaceDefaultsController(options: { caCertificate?: string }): Controller<any> {
  return controller(Namespace, {
    name: 'service-account-controller',
    watches: [{ type: ServiceAccount, map: ({ metadata }) => [{ name: metadata.namespace! }] }],
    writes: [ConfigMap],
  }).step('defaults', async (axn: Axn<any>) => {
    const namespace = axn.name
    if (axn.deleting) return axn
    if (!axn.lister.get(ServiceAccount, 'default', namespace))
      axn = axn.create(ServiceAccount, { metadata: { name: 'default', namespace } }, { owned: false })
    if (options.caCertificate === undefined) return axn
    axn = axn.requeueAfter(glanceMs)
    const name = 'kube-root-ca.crt'
    const data = { 'ca.crt': options.caCertificate }
    const live = await axn.kube.find(ConfigMap, name, namespace)
    if (!live) {
      const annotations = {
        'kubernetes.io/description':
          'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
      }
      return axn.create(ConfigMap, { metadata: { name, namespace, annotations }, data }, { owned: false })
    }
    return equal(live.data, data) ? axn : axn.patch({ type: ConfigMap, name, namespace }, { data })
  })
}
