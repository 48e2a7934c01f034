import type { KubeObject, objects } from '#kube'
import { leaseRules, rbacFor } from './rbac.ts'
import type { Controller } from './types.ts'

export interface ManifestOptions {
  name: string
  namespace: string
  /** Without one nothing is deployed: the operator runs elsewhere, with a token of the ServiceAccount. */
  image?: string
  controllers: readonly Controller<any>[]
  /** Of `resource(…).crd()`. */
  crds?: readonly KubeObject[]
  command?: readonly string[]
  /** More than one needs a lease. @default 1 */
  replicas?: number
  env?: Record<string, string>
  /** What the program does beyond its controllers: everywhere, and in its own namespace. */
  rules?: readonly objects.PolicyRule[]
  ownRules?: readonly objects.PolicyRule[]
}

/**
 * Everything to run an operator in a cluster, in an order that can be applied: Namespace, CRDs, ServiceAccount, RBAC cut to
 * what the controllers declare, and (with an image) a Deployment that meets the *restricted* Pod Security profile. The pod gets
 * POD_NAME and POD_NAMESPACE for its lease.
 */
export function manifest(options: ManifestOptions): KubeObject[] {
  const { name, namespace, controllers, crds = [] } = options
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': 'operator' }
  const subjects = [{ kind: 'ServiceAccount', name, namespace }]
  const rbac = 'rbac.authorization.k8s.io/v1'
  const role = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name })
  const cluster = { name, labels }
  const local = { name, namespace, labels }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    ...crds,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: local },
    { apiVersion: rbac, kind: 'ClusterRole', metadata: cluster, rules: rbacFor(controllers, options.rules) },
    { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: cluster, roleRef: role('ClusterRole'), subjects },
    { apiVersion: rbac, kind: 'Role', metadata: local, rules: [...leaseRules, ...(options.ownRules ?? [])] },
    { apiVersion: rbac, kind: 'RoleBinding', metadata: local, roleRef: role('Role'), subjects },
    ...(options.image === undefined ? [] : [deployment({ ...options, image: options.image }, labels)]),
  ]
}

function deployment(
  { name, namespace, image, command, replicas = 1, env = {} }: ManifestOptions & { image: string },
  labels: Record<string, string>,
): KubeObject {
  const field = (variable: string, fieldPath: string) => ({ name: variable, valueFrom: { fieldRef: { fieldPath } } })
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'operator',
              image,
              ...(command && { command: [...command] }),
              env: [
                field('POD_NAME', 'metadata.name'),
                field('POD_NAMESPACE', 'metadata.namespace'),
                ...Object.entries(env).map(([key, value]) => ({ name: key, value })),
              ],
              resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '256Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    },
  }
}
