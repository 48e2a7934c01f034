import type { KubeObject, objects } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { type Controller, manifest } from '#operator'
import { systemNamespace } from '../context.ts'
import { platformControllers } from '../controllers.ts'
import { crds } from '../generated/crds.ts'
import { Build, Release } from '../kinds.ts'
import { metricsRights, readerRole } from '../signals/index.ts'

/** The ServiceAccount of the platform, in its namespace. */
export const accountName = 'cuddle'

export interface ManifestOptions {
  /** With the rights to serve the BEAM's signals to the cluster's autoscalers. @default false */
  metrics?: boolean
}

/**
 * Everything that a cluster needs for the platform to run against it: namespace, custom resources, an IngressClass, and a
 * ServiceAccount with the rights that follow from what the controllers declare and the other parts do. No Deployment: the
 * platform runs where `cuddle up` was called. For a cluster's owner to read, and to apply in place of `cuddle up`.
 *
 * @param ingressClass of the Ingresses that the platform's router serves
 */
export function platformManifest(ingressClass: string, { metrics = false }: ManifestOptions = {}): KubeObject[] {
  const objects = manifest({
    name: accountName,
    namespace: systemNamespace,
    controllers: declared(),
    crds,
    rules: [...deployRules, ...routerRules, ...(metrics ? metricsRights.cluster : [])],
    ownRules: [renewRule, ...(metrics ? metricsRights.own : [])],
  })
  const router: KubeObject = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: ingressClass },
    spec: { controller: 'cuddle.dev/router' },
  }
  return [...objects, router, ...(metrics ? [readerRole] : [])]
}

/** What the controllers declare; they are asked, never run. */
function declared(): Controller<any>[] {
  const { signal } = new AbortController()
  return platformControllers({ kube: undefined as never, clock: systemClock, log: silentLogger, signal })
}

/** What a push does: it records its build, and makes a release. Its Secrets are among what the app controller writes. */
const deployRules: objects.PolicyRule[] = [
  { apiGroups: [Build.group], resources: ['builds'], verbs: ['create', 'delete', 'list'] },
  { apiGroups: [Build.group], resources: ['builds/status'], verbs: ['patch'] },
  { apiGroups: [Release.group], resources: ['releases'], verbs: ['create'] },
]

const routerRules: objects.PolicyRule[] = [
  { apiGroups: [''], resources: ['services'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] },
]

/** A new token before the old one expires. */
const renewRule: objects.PolicyRule = {
  apiGroups: [''],
  resources: ['serviceaccounts/token'],
  resourceNames: [accountName],
  verbs: ['create'],
}
