import type * as k from './generated/types.ts'
import type { KubeObject, ResourceType } from './types.ts'

function type<T extends { metadata: any }>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  scope: 'Namespaced' | 'Cluster' = 'Namespaced',
): ResourceType<T & KubeObject> {
  return { group, version, kind, plural, namespaced: scope === 'Namespaced' }
}

/** The kinds that the platform touches. */
export const Pod = type<k.Pod>('', 'v1', 'Pod', 'pods')
export const Service = type<k.Service>('', 'v1', 'Service', 'services')
export const ConfigMap = type<k.ConfigMap>('', 'v1', 'ConfigMap', 'configmaps')
export const Secret = type<k.Secret>('', 'v1', 'Secret', 'secrets')
export const Namespace = type<k.Namespace>('', 'v1', 'Namespace', 'namespaces', 'Cluster')
export const Node = type<k.Node>('', 'v1', 'Node', 'nodes', 'Cluster')
export const ServiceAccount = type<k.ServiceAccount>('', 'v1', 'ServiceAccount', 'serviceaccounts')
export const Event = type<k.Event>('', 'v1', 'Event', 'events')
export const Endpoints = type<k.Endpoints>('', 'v1', 'Endpoints', 'endpoints')
export const LimitRange = type<k.LimitRange>('', 'v1', 'LimitRange', 'limitranges')
export const ResourceQuota = type<k.ResourceQuota>('', 'v1', 'ResourceQuota', 'resourcequotas')
export const PersistentVolumeClaim = type<k.PersistentVolumeClaim>(
  '',
  'v1',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
)
export const PersistentVolume = type<k.PersistentVolume>('', 'v1', 'PersistentVolume', 'persistentvolumes', 'Cluster')
export const StorageClass = type<k.StorageClass>('storage.k8s.io', 'v1', 'StorageClass', 'storageclasses', 'Cluster')
export const Deployment = type<k.Deployment>('apps', 'v1', 'Deployment', 'deployments')
export const ReplicaSet = type<k.ReplicaSet>('apps', 'v1', 'ReplicaSet', 'replicasets')
export const StatefulSet = type<k.StatefulSet>('apps', 'v1', 'StatefulSet', 'statefulsets')
export const DaemonSet = type<k.DaemonSet>('apps', 'v1', 'DaemonSet', 'daemonsets')
export const ControllerRevision = type<k.ControllerRevision>('apps', 'v1', 'ControllerRevision', 'controllerrevisions')
export const Job = type<k.Job>('batch', 'v1', 'Job', 'jobs')
export const CronJob = type<k.CronJob>('batch', 'v1', 'CronJob', 'cronjobs')
export const Ingress = type<k.Ingress>('networking.k8s.io', 'v1', 'Ingress', 'ingresses')
export const IngressClass = type<k.IngressClass>('networking.k8s.io', 'v1', 'IngressClass', 'ingressclasses', 'Cluster')
export const NetworkPolicy = type<k.NetworkPolicy>('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies')
export const EndpointSlice = type<k.EndpointSlice>('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices')
export const PodDisruptionBudget = type<k.PodDisruptionBudget>(
  'policy',
  'v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
)
export const HorizontalPodAutoscaler = type<k.HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
)
export const Lease = type<k.Lease>('coordination.k8s.io', 'v1', 'Lease', 'leases')
export const Role = type<k.Role>('rbac.authorization.k8s.io', 'v1', 'Role', 'roles')
export const ClusterRole = type<k.ClusterRole>(
  'rbac.authorization.k8s.io',
  'v1',
  'ClusterRole',
  'clusterroles',
  'Cluster',
)
export const RoleBinding = type<k.RoleBinding>('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings')
export const ClusterRoleBinding = type<k.ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'ClusterRoleBinding',
  'clusterrolebindings',
  'Cluster',
)
export const CustomResourceDefinition = type<k.CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  'Cluster',
)

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(type: { group: string; version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}
