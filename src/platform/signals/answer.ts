import { Deployment, isNotFound, type Kube, labelSelector, Pod, StatefulSet } from '#kube'
import type { Clock } from '#lib'
import type { Attempt, Caller } from './callers.ts'
import {
  type Described,
  describable,
  group,
  groupDocument,
  metricValue,
  resourceList,
  type Version,
  valueList,
  versions,
} from './documents.ts'
import {
  nodeList,
  nodeObject,
  nodesGroup,
  nodesGroupDocument,
  nodesPlural,
  nodesResourceList,
  nodesVersion,
  nodeTable,
} from './nodes.ts'
import { contentType, prometheusText } from './prometheus.ts'
import type { PodSignals, SignalStore } from './store.ts'
import { namesIn, signalNamed } from './vocabulary.ts'

export interface Answer {
  code: number
  type: string
  body: string
}

export interface Question {
  method: string
  path: string
  query: URLSearchParams
  /** What kubectl asks for to print it. */
  table: boolean
  /** Undefined for one who proves nothing. */
  caller: Caller | undefined
}

export interface Sources {
  store: SignalStore
  kube: Kube
  clock: Clock
  allowed(caller: Caller, attempt: Attempt): Promise<boolean>
}

/** Answers one request to the metrics server. @throws what the API says when it cannot be asked */
export async function answer(question: Question, sources: Sources): Promise<Answer> {
  const { method, path, query, table, caller } = question
  if (/^\/(healthz|livez|readyz)$/.test(path)) return { code: 200, type: 'text/plain; charset=utf-8', body: 'ok' }
  if (!caller) return failure(401, 'Unauthorized', 'Unauthorized')
  if (method !== 'GET') return failure(405, 'MethodNotAllowed', 'only GET is served here')
  const parts = path.split('/').filter(Boolean).map(decodedPart)
  if (parts.includes(undefined)) return failure(400, 'BadRequest', 'the path is not percent-encoded UTF-8')
  const [root, asked, version, ...rest] = parts as string[]
  const known = versions.find((one) => one === version)
  if (root === 'apis' && asked === group && known && rest.length > 0) {
    return values(known, rest, query, caller, sources)
  }
  if (root === 'apis' && asked === nodesGroup && version === nodesVersion && rest.length > 0) {
    return nodes(rest, table, caller, sources)
  }
  if (!(await sources.allowed(caller, { verb: 'get', path }))) {
    return failure(403, 'Forbidden', `forbidden: User "${caller.name}" cannot get path "${path}"`)
  }
  const now = sources.clock.now()
  if (path === '/metrics') {
    const apps = query.getAll('app').length > 0 ? query.getAll('app') : sources.store.apps()
    return { code: 200, type: contentType, body: prometheusText(apps.flatMap((app) => sources.store.pods(app, now))) }
  }
  if (root === 'apis' && asked === undefined)
    return json(200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [groupDocument(), nodesGroupDocument()] })
  if (root === 'apis' && asked === group && version === undefined) return json(200, groupDocument())
  if (root === 'apis' && asked === group && known) {
    const all = sources.store.apps().flatMap((app) => sources.store.pods(app, now))
    return json(200, resourceList(known, namesIn(all)))
  }
  if (root === 'apis' && asked === nodesGroup && version === undefined) return json(200, nodesGroupDocument())
  if (root === 'apis' && asked === nodesGroup && version === nodesVersion) return json(200, nodesResourceList())
  if (path === '/openapi/v3') return json(200, { paths: {} })
  return failure(404, 'NotFound', 'the server could not find the requested resource')
}

/** `beamnodes`, `namespaces/NS/beamnodes` and `namespaces/NS/beamnodes/POD`. */
async function nodes(
  parts: readonly string[],
  table: boolean,
  caller: Caller,
  { store, clock, allowed }: Sources,
): Promise<Answer> {
  const [namespace, plural, name] = parts[0] === 'namespaces' ? parts.slice(1) : [undefined, ...parts]
  if (plural !== nodesPlural || parts.length > 4) {
    return failure(404, 'NotFound', 'the server could not find the requested resource')
  }
  const verb = name === undefined ? 'list' : 'get'
  const place = { ...(namespace !== undefined && { namespace }), ...(name !== undefined && { name }) }
  if (!(await allowed(caller, { verb, group: nodesGroup, resource: nodesPlural, ...place }))) {
    const why = `User "${caller.name}" cannot ${verb} resource "${nodesPlural}" in API group "${nodesGroup}"`
    return failure(403, 'Forbidden', `${nodesPlural}.${nodesGroup} is forbidden: ${why}`)
  }
  const apps = namespace === undefined ? store.apps() : [namespace]
  const items = apps.flatMap((app) => store.pods(app, clock.now()).flatMap((pod) => nodeObject(pod) ?? []))
  if (name === undefined) return json(200, table ? nodeTable(items) : nodeList(items))
  const found = items.find(({ metadata }) => metadata.name === name)
  return found
    ? json(200, table ? nodeTable([found]) : found)
    : failure(404, 'NotFound', `${nodesPlural}.${nodesGroup} "${name}" not found`)
}

/** `namespaces/NS/RESOURCE/NAME/METRIC`, `namespaces/NS/metrics/METRIC`, and `namespaces/NAME/METRIC` as discovery lists it. */
async function values(
  version: Version,
  parts: readonly string[],
  query: URLSearchParams,
  caller: Caller,
  sources: Sources,
): Promise<Answer> {
  const unknown = () => failure(404, 'NotFound', 'the server could not find the requested resource')
  const [root, namespace, second, third, metric] = parts
  if (root !== 'namespaces' || parts.length < 3 || parts.length > 5) return unknown()
  const ofNamespace = parts.length === 3 || (parts.length === 4 && second === 'metrics')
  const name = ofNamespace ? parts.at(-1)! : metric
  const resource = ofNamespace ? 'namespaces' : second
  if (name === undefined || !Object.hasOwn(describable, resource)) return unknown()
  const attempt = ofNamespace
    ? { verb: 'get', group, namespace, resource: 'metrics', name }
    : { verb: 'get', group, namespace, resource: second.split('.')[0], name: third, subresource: name }
  if (!(await sources.allowed(caller, attempt))) {
    const what = `${attempt.resource}.${group} "${attempt.name}"`
    const why = `User "${caller.name}" cannot get resource "${attempt.resource}/${name}" in API group "${group}"`
    return failure(403, 'Forbidden', `${what} is forbidden: ${why} in the namespace "${namespace}"`)
  }
  // Our numbers have no labels of their own, so a selector for them matches none.
  const selected = (query.get('metricLabelSelector') ?? '') === ''
  const signal = signalNamed(name)
  const described = selected ? await describe(resource, namespace, ofNamespace ? namespace : third, query, sources) : []
  const items = described.flatMap(({ object, pods }) => metricValue(version, signal, object, pods) ?? [])
  if (items.length === 0) {
    const which = ofNamespace ? namespace : third
    const of = which === '*' ? '' : ` ${which}`
    return failure(404, 'NotFound', `the server could not find the metric ${name} for ${resource}${of}`)
  }
  return json(200, valueList(version, items))
}

/** The objects that are asked about, each with its pods. */
async function describe(
  resource: string,
  namespace: string,
  name: string,
  query: URLSearchParams,
  { store, kube, clock }: Sources,
): Promise<{ object: Described; pods: PodSignals[] }[]> {
  const { apiVersion, kind } = describable[resource]
  const all = new Map(store.pods(namespace, clock.now()).map((pod) => [pod.origin.pod, pod]))
  const podsOf = async (selector: string) => {
    const { items } = await kube.listAll(Pod, { namespace, ...(selector && { labelSelector: selector }) })
    return items.flatMap(({ metadata }) => all.get(metadata.name!) ?? [])
  }
  if (resource === 'namespaces') return [{ object: { apiVersion, kind, name: namespace }, pods: [...all.values()] }]
  const selector = query.get('labelSelector') ?? ''
  if (resource === 'pods') {
    const pods = name === '*' ? await podsOf(selector) : [...all.values()].filter(({ origin }) => origin.pod === name)
    return pods.map((pod) => ({ object: { apiVersion, kind, namespace, name: pod.origin.pod }, pods: [pod] }))
  }
  const type = kind === 'Deployment' ? Deployment : StatefulSet
  const owners =
    name === '*'
      ? (await kube.listAll(type as typeof Deployment, { namespace, ...(selector && { labelSelector: selector }) }))
          .items
      : [await kube.get(type as typeof Deployment, name, namespace)].flatMap((one) => one ?? [])
  return Promise.all(
    owners.map(async ({ metadata, spec }) => ({
      object: { apiVersion, kind, namespace, name: metadata.name! },
      pods: await podsOf(labelSelector(spec!.selector as Parameters<typeof labelSelector>[0])),
    })),
  ).catch((error) => {
    if (isNotFound(error)) return []
    throw error
  })
}

function decodedPart(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function json(code: number, value: unknown): Answer {
  return { code, type: 'application/json', body: JSON.stringify(value) }
}

export function failure(code: number, reason: string, message: string): Answer {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
  return json(code, status)
}
