import type { ResourceInfo } from '../../machinery/index.ts'
import type { Json } from './definitions.ts'

const options = ['dryRun', 'fieldManager', 'fieldValidation']

/** The operations of a resource: what clients look up there is which options a verb knows. `v3` decides how a parameter's type is written. */
export function pathsOf(info: ResourceInfo, definition: string, v3: boolean): Record<string, Json> {
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`
  const collection = info.namespaced ? `${root}/namespaces/{namespace}/${info.plural}` : `${root}/${info.plural}`
  const gvk = { group: info.group, version: info.version, kind: info.kind }
  const query = (name: string, type = 'string') =>
    v3 ? { name, in: 'query', schema: { type } } : { name, in: 'query', type, uniqueItems: true }
  const path = (name: string) =>
    v3
      ? { name, in: 'path', required: true, schema: { type: 'string' } }
      : { name, in: 'path', required: true, type: 'string' }
  const answer = v3
    ? {
        200: {
          description: 'OK',
          content: { 'application/json': { schema: { $ref: `#/components/schemas/${definition}` } } },
        },
      }
    : { 200: { description: 'OK', schema: { $ref: `#/definitions/${definition}` } } }
  const operation = (action: string, parameters: Json[]): Json => ({
    operationId: `${action}${info.group.replace(/\W/g, '')}${info.version}${info.kind}`,
    parameters,
    responses: answer,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  })
  const write = options.map((name) => query(name))
  const item: Json = {
    get: operation('get', []),
    put: operation('put', write),
    patch: operation('patch', [...write, query('force', 'boolean')]),
    delete: operation('delete', [query('dryRun'), query('gracePeriodSeconds', 'integer'), query('propagationPolicy')]),
  }
  const list: Json = {
    get: operation('list', [query('labelSelector'), query('fieldSelector'), query('limit', 'integer')]),
    post: operation('post', write),
  }
  const verbs: Record<string, string> = { get: 'get', put: 'update', patch: 'patch', delete: 'delete' }
  for (const method in verbs) if (!info.verbs.includes(verbs[method])) delete item[method]
  if (!info.verbs.includes('list')) delete list['get']
  if (!info.verbs.includes('create')) delete list['post']
  const parameters = info.namespaced ? [path('namespace')] : []
  const paths: Record<string, Json> = {}
  if (Object.keys(list).length > 0) paths[collection] = { ...list, ...(parameters.length > 0 && { parameters }) }
  if (Object.keys(item).length > 0)
    paths[`${collection}/{name}`] = { ...item, parameters: [...parameters, path('name')] }
  return paths
}
