import type { KubeObject } from '#kube'
import type { PolicyRule } from './rules.ts'

/**
 * The roles and bindings that every cluster has (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), those of Kubernetes' own
 * components left out: here they are in system:masters or system:nodes.
 */
const apiVersion = 'rbac.authorization.k8s.io/v1'
const read = ['get', 'list', 'watch']
const write = ['create', 'delete', 'deletecollection', 'patch', 'update']
const all = [...write, ...read]

function rule(verbs: string[], apiGroup: string, resources: string): PolicyRule {
  return { apiGroups: [apiGroup], resources: resources.split(' '), verbs }
}

const views: [group: string, resources: string][] = [
  [
    '',
    'bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status',
  ],
  ['discovery.k8s.io', 'endpointslices'],
  [
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ],
  ['autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'],
  ['batch', 'cronjobs cronjobs/status jobs jobs/status'],
  ['policy', 'poddisruptionbudgets poddisruptionbudgets/status'],
  ['networking.k8s.io', 'ingresses ingresses/status networkpolicies'],
  ['metrics.k8s.io', 'nodes pods'],
]

const edits: [group: string, resources: string][] = [
  [
    '',
    'configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ],
  [
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ],
  ['autoscaling', 'horizontalpodautoscalers'],
  ['batch', 'cronjobs jobs'],
  ['policy', 'poddisruptionbudgets'],
  ['networking.k8s.io', 'ingresses networkpolicies'],
]

const aggregates: Record<string, PolicyRule[]> = {
  admin: [
    rule(['create'], 'authorization.k8s.io', 'localsubjectaccessreviews'),
    rule(all, 'rbac.authorization.k8s.io', 'rolebindings roles'),
  ],
  edit: [
    rule(read, '', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
    rule(['impersonate'], '', 'serviceaccounts'),
    rule(['create'], '', 'pods/eviction serviceaccounts/token'),
    ...edits.map(([group, resources]) => rule(write, group, resources)),
    rule(all, 'coordination.k8s.io', 'leases'),
  ],
  view: views.map(([group, resources]) => rule(read, group, resources)),
}

function urls(...nonResourceURLs: string[]): PolicyRule {
  return { nonResourceURLs, verbs: ['get'] }
}

const health = ['/healthz', '/livez', '/readyz', '/version', '/version/']
const plain: Record<string, PolicyRule[]> = {
  'cluster-admin': [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ],
  'system:discovery': [urls('/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', ...health)],
  'system:basic-user': [
    rule(['create'], 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    rule(['create'], 'authentication.k8s.io', 'selfsubjectreviews'),
  ],
  'system:public-info-viewer': [urls(...health)],
  'system:monitoring': [urls('/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/readyz', '/readyz/*')],
  'system:service-account-issuer-discovery': [urls('/.well-known/openid-configuration', '/openid/v1/jwks')],
  'system:auth-delegator': [
    rule(['create'], 'authentication.k8s.io', 'tokenreviews'),
    rule(['create'], 'authorization.k8s.io', 'subjectaccessreviews'),
  ],
}

const bound: Record<string, string[]> = {
  'cluster-admin': ['system:masters'],
  'system:discovery': ['system:authenticated'],
  'system:basic-user': ['system:authenticated'],
  'system:public-info-viewer': ['system:authenticated', 'system:unauthenticated'],
  'system:monitoring': ['system:monitoring'],
  'system:service-account-issuer-discovery': ['system:serviceaccounts'],
}

/** The label by which a ClusterRole's rules become part of admin, edit or view. */
const aggregateTo = (name: string) => `rbac.authorization.k8s.io/aggregate-to-${name}`
const parents: Record<string, string> = { edit: 'admin', view: 'edit' }

function meta(name: string, labels: Record<string, string> = {}) {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  }
}

/** All of them; each time anew. */
export function bootstrapRoles(): KubeObject[] {
  const role = (metadata: object, rest: object) =>
    ({ apiVersion, kind: 'ClusterRole', metadata, ...rest }) as KubeObject
  return structuredClone([
    ...Object.entries(plain).map(([name, rules]) => role(meta(name), { rules })),
    ...Object.entries(aggregates).flatMap(([name, rules]) => {
      const parent = parents[name]
      return [
        role(meta(`system:aggregate-to-${name}`, { [aggregateTo(name)]: 'true' }), { rules }),
        role(meta(name, parent ? { [aggregateTo(parent)]: 'true' } : {}), {
          rules: [],
          aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(name)]: 'true' } }] },
        }),
      ]
    }),
    ...Object.entries(bound).map(
      ([name, groups]) =>
        ({
          apiVersion,
          kind: 'ClusterRoleBinding',
          metadata: meta(name),
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
          subjects: groups.map((one) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: one })),
        }) as KubeObject,
    ),
  ])
}
