import { Ingress, type objects } from '#kube'
import { equal } from '#lib'
import { type Axn, type Controller, controller } from '#operator'

/** Publishes the router's address on every Ingress: on the embedded cluster all are served by it. */
export function ingressController({ ip = '127.0.0.1' }: { ip?: string } = {}): Controller<any> {
  return controller(Ingress, { name: 'ingress-controller' }).step('address', (axn: Axn<any>) => {
    const { status } = axn.object as objects.Ingress
    const loadBalancer = { ingress: [{ ip }] }
    return axn.deleting || equal(status?.loadBalancer, loadBalancer) ? axn : axn.status({ loadBalancer })
  })
}
