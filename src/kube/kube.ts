import { type Clock, systemClock } from '#lib'
import { isGone, isNotFound } from './errors.ts'
import { events } from './events.ts'
import { type HttpOptions, lines, sendJson } from './http.ts'
import { allPages, typed } from './pages.ts'
import { listQuery, pathOf, query, watchQuery } from './paths.ts'
import type { AttachOptions, DeleteOptions, Kube, ResourceType, Transport, WriteOptions } from './types.ts'

export interface KubeOptions {
  /** Also the field manager of writes that name none (up to the first `/`). @default cuddle */
  userAgent?: string
  clock?: Clock
  /** An exchange (not a stream) is given up after this many ms. @default 60000 */
  timeoutMs?: number
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

/** The Kubernetes API over a transport. See the Kube interface for each verb. */
export function createKube(transport: Transport, options: KubeOptions = {}): Kube {
  const http: HttpOptions = {
    transport,
    clock: options.clock ?? systemClock,
    userAgent: options.userAgent ?? 'cuddle',
    timeoutMs: options.timeoutMs ?? 60_000,
  }
  const discovered = new Map<string, Promise<ResourceType[]>>()

  const kube: Kube = {
    transport,
    close: () => transport.close(),

    get: (type, name, namespace, { signal } = {}) =>
      sendJson(http, 'GET', pathOf(type, { name, ...(namespace && { namespace }) }), { signal }),

    find: (type, name, namespace, options) =>
      kube.get(type, name, namespace, options).catch((error) => {
        if (isNotFound(error)) return undefined
        throw error
      }),

    async list(type, options = {}) {
      const path = pathOf(type, options.namespace ? { namespace: options.namespace } : {})
      return typed(type, await sendJson(http, 'GET', path + query(listQuery(options)), { signal: options.signal }))
    },

    async listAll(type, options = {}) {
      for (let restarts = 0; ; restarts++) {
        try {
          return await allPages(http, type, options)
        } catch (error) {
          // the snapshot behind the continue token was compacted away: only a new list is consistent
          if (!isGone(error) || restarts >= 5 || options.signal?.aborted) throw error
        }
      }
    },

    create(type, object, options = {}) {
      const { name, namespace } = object.metadata
      const target = options.subresource ? { name: name!, subresource: options.subresource } : {}
      const path = pathOf(type, { ...target, ...(namespace && { namespace }) })
      return write('POST', path, object, 'application/json', options)
    },

    replace(type, object, options = {}) {
      return write('PUT', objectPath(type, object.metadata, options), object, 'application/json', options)
    },

    patch(type, ref, patch, options = {}) {
      return write('PATCH', objectPath(type, ref, options), patch, patchTypes[options.type ?? 'merge'], options)
    },

    apply(type, object, options) {
      const path = objectPath(type, object.metadata, options)
      return write('PATCH', path, object, patchTypes.apply, options, { force: options.force ?? true })
    },

    async delete(type, name, namespace, options = {}) {
      const path = pathOf(type, { name, ...(namespace && { namespace }) })
      await sendJson(http, 'DELETE', path, { body: deleteBody(options), signal: options.signal })
    },

    async deleteCollection(type, options) {
      const path = pathOf(type, options.namespace ? { namespace: options.namespace } : {})
      const send = { body: deleteBody(options), signal: options.signal }
      await sendJson(http, 'DELETE', path + query(listQuery(options)), send)
    },

    watch(type, options = {}) {
      const path = pathOf(type, options.namespace ? { namespace: options.namespace } : {})
      return events(http, path + query(watchQuery(options)), options.signal)
    },

    logs(name, namespace, { signal, ...options } = {}) {
      return lines(http, podPath(name, namespace, 'log') + query(options), { signal, headers: { accept: '*/*' } })
    },

    exec: (name, namespace, options) => streams(name, namespace, 'exec', options),

    async attach(name, namespace, options) {
      await streams(name, namespace, 'attach', options)
    },

    async openPort(name, namespace, options) {
      const { openPort } = await import('./streams.ts')
      return openPort(transport, podPath(name, namespace, 'portforward'), http.userAgent, options)
    },

    async evict(name, namespace, options = {}) {
      const pods = { group: '', version: 'v1', kind: 'Pod', plural: 'pods', namespaced: true }
      const deleteOptions = deleteBody(options)
      await sendJson(http, 'POST', pathOf(pods, { name, namespace, subresource: 'eviction' }), {
        body: {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name, namespace },
          ...(deleteOptions && { deleteOptions }),
        },
        signal: options.signal,
        // 429 is the answer of a budget that forbids it, not a busy server
        retry: false,
      })
    },

    async resolve(apiVersion, kind) {
      const known = await discovered.get(apiVersion)
      const found = known?.find((type) => type.kind === kind)
      if (found) return found
      // asked again for every miss: a CRD may have come since
      const fresh = discover(http, apiVersion)
      discovered.set(apiVersion, fresh)
      fresh.catch(() => discovered.delete(apiVersion))
      return (await fresh).find((type) => type.kind === kind)
    },

    request: (method, path, options = {}) => sendJson(http, method, path, options),
  }

  async function streams(name: string, namespace: string, kind: string, options: AttachOptions): Promise<number> {
    const { runStreams } = await import('./streams.ts')
    return runStreams(transport, podPath(name, namespace, kind), http.userAgent, options)
  }

  function write(
    method: string,
    path: string,
    body: unknown,
    contentType: string,
    options: WriteOptions,
    extra: Record<string, boolean> = {},
  ): Promise<any> {
    const { fieldManager, fieldValidation, signal } = options
    const parameters = { fieldManager, fieldValidation, dryRun: options.dryRun ? 'All' : undefined, ...extra }
    return sendJson(http, method, path + query(parameters), { body, contentType, signal })
  }
  return kube
}

function podPath(name: string, namespace: string, subresource: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/${subresource}`
}

function objectPath(
  type: ResourceType,
  ref: { name?: string; namespace?: string | undefined },
  { subresource }: WriteOptions,
): string {
  return pathOf(type, {
    name: ref.name ?? '',
    ...(ref.namespace && { namespace: ref.namespace }),
    ...(subresource && { subresource }),
  })
}

function deleteBody(options: DeleteOptions): object | undefined {
  const { propagationPolicy, gracePeriodSeconds, preconditions, dryRun } = options
  const fields = {
    ...(propagationPolicy && { propagationPolicy }),
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(preconditions && { preconditions }),
    ...(dryRun && { dryRun: ['All'] }),
  }
  return Object.keys(fields).length > 0 ? { apiVersion: 'v1', kind: 'DeleteOptions', ...fields } : undefined
}

async function discover(http: HttpOptions, apiVersion: string): Promise<ResourceType[]> {
  const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const list = await sendJson(http, 'GET', path).catch((error) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  const resources: any[] = Array.isArray(list?.resources) ? list.resources : []
  return resources
    .filter((resource) => typeof resource?.name === 'string' && !resource.name.includes('/'))
    .map(({ kind, name, namespaced }) => ({ group: group!, version: version!, kind, plural: name, namespaced }))
}
