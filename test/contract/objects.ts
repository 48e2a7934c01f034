/** The small objects that the conversations are about. */

export function configMap(name: string, data: Record<string, string> = {}, metadata: object = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data }
}

/** Whom neither scheduler nor kubelet touches. */
export function pod(name: string, spec: object = {}, metadata: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'example.com/c:1' }], ...spec },
  }
}

/** Has containers and a strategic merge, and no controller. */
export function podTemplate(name: string, spec: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'PodTemplate',
    metadata: { name },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'c', image: 'example.com/c:1' }], ...spec },
    },
  }
}

export function deployment(name: string, spec: object = {}, metadata: object = {}) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, ...metadata },
    spec: {
      replicas: 0,
      paused: true,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'example.com/c:1' }] },
      },
      ...spec,
    },
  }
}

/** An object without what its controller writes whenever it gets to it. */
export function withoutController(object: any): any {
  if (!object?.metadata) return object
  const { annotations, managedFields, resourceVersion: _, ...metadata } = object.metadata
  const { status: __, ...rest } = object
  const kept = Object.fromEntries(
    Object.entries(annotations ?? {}).filter(([key]) => !key.startsWith('deployment.kubernetes.io/')),
  )
  const fields = managedFields?.filter(({ manager }: any) => !/controller/.test(manager))
  return {
    ...rest,
    metadata: {
      ...metadata,
      ...(Object.keys(kept).length > 0 && { annotations: kept }),
      ...(fields && { managedFields: fields }),
    },
  }
}

export const schemaOf = (properties: object, more: object = {}) => ({
  schema: { openAPIV3Schema: { type: 'object', properties, ...more } },
})
