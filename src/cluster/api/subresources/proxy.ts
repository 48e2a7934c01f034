import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { errorMessage, nodeHttp, nodeHttps } from '#lib'
import { forwarded } from '../aggregation/identity-headers.ts'
import { streamed } from '../aggregation/streamed.ts'
import { bodyLimit } from '../body.ts'
import { proxyPath } from '../proxy-path.ts'
import { type ApiResponse, idOf, type ResourceRequest } from '../request.ts'
import { badRequest, notFound, StatusError } from '../status.ts'
import { addressOf } from './log.ts'

/** `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`. */
interface Asked {
  tls: boolean
  name: string
  port: string
}

interface Target {
  host: string
  port: number
  /** For TLS: with whom, and as whom. */
  tls?: object
}

/**
 * Passes a request on to a pod, to a pod behind a Service, or to a node's kubelet, and the answer back: without the client's
 * credentials, and with redirects that stay behind the proxy. WebSockets are led there by upgrade.ts.
 */
export async function proxy(rr: ResourceRequest): Promise<ApiResponse> {
  const { request, info } = rr
  const asked = readName(rr)
  const target =
    info.plural === 'pods' ? podOf(rr, asked) : info.plural === 'nodes' ? nodeOf(rr, asked) : serviceOf(rr, asked)
  const prefix = proxyPath(request.path)!
  const path = goPath(request.path.slice(prefix.length))
  const query = request.query.toString() && `?${request.query}`
  if (path === '' && !request.upgrade && (request.method === 'GET' || request.method === 'HEAD'))
    return { status: 301, headers: { location: `${request.path}/${query}` }, body: Buffer.alloc(0) }
  const host = request.headers['host'] ?? request.headers[':authority'] ?? ''
  const headers = { ...forwarded(request.headers), host, 'x-forwarded-uri': prefix + path }
  const call = { ...target, path: `${path || '/'}${query}`, headers }
  if (request.upgrade) return { status: 101, headers: {}, body: [], upstream: call }
  const incoming = await ask(rr, call)
  const answered = forwarded(incoming.headers)
  const { location } = incoming.headers
  if (location) answered['location'] = redirected(location, { prefix, hosts: [host, `${target.host}:${target.port}`] })
  return { status: incoming.statusCode ?? 502, headers: answered, body: streamed(incoming) }
}

/** A path as Go writes it anew once it was decoded: an encoded slash does not survive. Throws 400 for what is no UTF-8. */
function goPath(path: string): string {
  try {
    const escaped = (one: string) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`
    return encodeURI(decodeURIComponent(path)).replace(/[?#!'()*]/g, escaped)
  } catch {
    throw badRequest(`invalid path ${JSON.stringify(path)}`)
  }
}

async function ask(
  rr: ResourceRequest,
  { tls, ...call }: Target & { path: string; headers: object },
): Promise<IncomingMessage> {
  const { method, signal } = rr.request
  const body = method === 'GET' || method === 'HEAD' ? undefined : await rr.request.body(bodyLimit)
  const headers = { ...call.headers, ...(body && { 'content-length': String(body.length) }) }
  const options = { ...call, ...tls, method, headers, signal, agent: false as const }
  return new Promise((resolve, reject) => {
    const outgoing = (tls ? nodeHttps() : nodeHttp()).request(options, resolve)
    outgoing.on('error', (error) => reject(unavailable(`error trying to reach service: ${errorMessage(error)}`)))
    outgoing.end(body)
  })
}

const unavailable = (message: string) => new StatusError(503, 'ServiceUnavailable', message)

function readName({ name = '', info }: ResourceRequest): Asked {
  const parts = name.split(':')
  const [scheme, own, port] = parts.length === 3 ? parts : ['', ...parts]
  if (parts.length > 3 || !own || !['', 'http', 'https'].includes(scheme))
    throw badRequest(`invalid ${info.singular} request ${JSON.stringify(name)}`)
  return { tls: scheme === 'https', name: own, port: port ?? '' }
}

function find(rr: ResourceRequest, resource: string, name: string): any {
  const found = rr.api.store.get(resource, idOf(rr.namespace, name))?.object
  if (!found) throw notFound(rr.info, name)
  return found
}

const anyone = { rejectUnauthorized: false }

function podOf(rr: ResourceRequest, { tls, name, port }: Asked): Target {
  const pod = find(rr, 'core/pods', name)
  const declared = pod.spec.containers.find((one: any) => one.ports?.length > 0)?.ports[0].containerPort
  const host = pod.status?.podIP ?? ''
  if (!isPodAddress(host)) throw badRequest('address not allowed')
  return { host, port: Number(port || (declared ?? (tls ? 443 : 80))), ...(tls && { tls: anyone }) }
}

/** Nothing that belongs to this machine alone; of the loopback network only that which pods have. */
function isPodAddress(host: string): boolean {
  if (isIP(host) === 0) return false
  const [first, second] = host.split('.').map(Number)
  if (host.includes(':')) return /^[23]|^f[cd]/i.test(host)
  if (first === 127) return second >= 64
  return first !== 0 && first < 224 && !(first === 169 && second === 254)
}

function serviceOf(rr: ResourceRequest, { tls, name, port }: Asked): Target {
  let wanted = port
  if (/^\d+$/.test(port)) {
    const ports: any[] = find(rr, 'core/services', name).spec?.ports ?? []
    const found = ports.find((one) => one.port === Number(port))
    if (!found) throw unavailable(`no service port ${Number(port)} found for service ${JSON.stringify(name)}`)
    wanted = found.name ?? ''
  }
  const subsets: any[] = find(rr, 'core/endpoints', name).subsets ?? []
  if (subsets.length === 0) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`)
  for (const { addresses = [], ports = [] } of subsets) {
    const found = ports.find((one: any) => (one.name ?? '') === wanted)
    const address = found && addresses.find((one: any) => isOfPod(rr, one))
    if (address) return { host: address.ip, port: found.port, ...(tls && { tls: anyone }) }
  }
  throw unavailable(`no endpoints available for service ${JSON.stringify(rr.name)}`)
}

/** Endpoints can be written by hand: only what pods really have is asked. */
function isOfPod(rr: ResourceRequest, { ip, targetRef }: any): boolean {
  if (targetRef?.kind !== 'Pod' || (targetRef.namespace ?? rr.namespace) !== rr.namespace) return false
  const pod = rr.api.store.get('core/pods', idOf(rr.namespace, targetRef.name))?.object
  return isPodAddress(ip) && (pod?.status?.podIPs ?? []).some((one: any) => one.ip === ip)
}

/** The kubelet, and nothing else of the machine. */
function nodeOf(rr: ResourceRequest, { name, port }: Asked): Target {
  const address = addressOf(find(rr, 'core/nodes', name))
  if (port !== '' && Number(port) !== address.port) throw badRequest('address not allowed')
  const { ca, kubeletClient } = rr.api.pki
  return { ...address, tls: { ca: ca.cert, ...kubeletClient } }
}

/** Where a redirect leads, seen from before the proxy (apimachinery's proxy.Transport). */
function redirected(location: string, { prefix, hosts }: { prefix: string; hosts: readonly string[] }): string {
  const [, authority, path = ''] = /^(?:https?:)?\/\/([^/?#]*)(.*)$/.exec(location) ?? [undefined, '', location]
  if ((authority !== '' && !hosts.includes(authority!)) || !path.startsWith('/')) return location
  return path.startsWith(prefix) ? path : prefix + path
}
