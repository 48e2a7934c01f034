import * as kube from '#kube'

/** Kinds of which every object of a scenario's namespace is compared. */
export const compared: readonly kube.ResourceType<any>[] = [
  kube.Pod,
  kube.ReplicaSet,
  kube.Deployment,
  kube.StatefulSet,
  kube.DaemonSet,
  kube.ControllerRevision,
  kube.Job,
  kube.CronJob,
  kube.PersistentVolumeClaim,
  kube.EndpointSlice,
  kube.PodDisruptionBudget,
  kube.HorizontalPodAutoscaler,
  kube.ResourceQuota,
]

/** Kinds that are watched, but compared only when a scenario says so. */
export const watched: readonly kube.ResourceType<any>[] = [
  ...compared,
  kube.Endpoints,
  kube.PersistentVolume,
  kube.Node,
  kube.Namespace,
  kube.ConfigMap,
  kube.Secret,
  kube.Service,
  kube.ServiceAccount,
  kube.Event,
]
