import type { IncomingMessage } from 'node:http'
import type { KubeObject } from '#kube'
import { nodeHttps } from '#lib'
import { current } from '../read.ts'
import type { ApiResponse, ResourceRequest } from '../request.ts'
import { badRequest, internal, invalid, StatusError } from '../status.ts'

type Cause = { reason: string; message: string; field: string }

const passed = ['follow', 'previous', 'tailLines', 'limitBytes', 'sinceSeconds', 'sinceTime', 'timestamps']

/** GET of a container's log: streamed from the kubelet API of the pod's node. */
export async function log(rr: ResourceRequest): Promise<ApiResponse> {
  const pod = (await current(rr)).object
  const { query } = rr.request
  const wrong = optionProblems(query)
  if (wrong.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, rr.name!, wrong)
  const container = containerOf(pod, query.get('container') ?? '')
  const node = pod.spec.nodeName ? rr.api.store.get('core/nodes', pod.spec.nodeName)?.object : undefined
  if (!node) {
    if (pod.spec.nodeName)
      throw internal(`node ${JSON.stringify(pod.spec.nodeName)} of pod ${pod.metadata.name} is not known`)
    // Nothing has run yet: as the real server, an empty log.
    return { status: 204, headers: {}, body: Buffer.alloc(0) }
  }
  const parameters = new URLSearchParams()
  for (const name of passed) {
    const value = query.get(name)
    if (value !== null) parameters.set(name, value)
  }
  const path = `/containerLogs/${encodeURIComponent(rr.namespace!)}/${encodeURIComponent(rr.name!)}/${encodeURIComponent(container)}`
  return proxy(rr, node, `${path}?${parameters}`)
}

/** Source: ValidatePodLogOptions in pkg/apis/core/validation. `stream` is behind a feature gate that is off. */
function optionProblems(query: URLSearchParams): Cause[] {
  const causes: Cause[] = []
  const atLeast = (field: string, least: number, words: string) => {
    const text = query.get(field) ?? ''
    if (!/^-?\d+$/.test(text) || Number(text) >= least) return
    causes.push({ reason: 'FieldValueInvalid', message: `Invalid value: ${Number(text)}: must be ${words}`, field })
  }
  const forbid = (field: string, message: string) =>
    causes.push({ reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field })
  atLeast('tailLines', 0, 'greater than or equal to 0')
  atLeast('limitBytes', 1, 'greater than 0')
  if (query.get('sinceSeconds') && query.get('sinceTime'))
    forbid('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified')
  else atLeast('sinceSeconds', 1, 'greater than 0')
  if (query.get('stream')) forbid('stream', 'may not be specified')
  return causes
}

/** The container that a request means; StatusError 400 when that is not clear. */
export function containerOf(pod: KubeObject, asked: string): string {
  const names = (list: any[] | undefined): string[] => (list ?? []).map((one) => one.name)
  const normal = names(pod.spec.containers)
  const init = names(pod.spec.initContainers)
  const all = [...normal, ...init, ...names(pod.spec.ephemeralContainers)]
  if (asked === '') {
    if (normal.length === 1) return normal[0]
    const also = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : ''
    throw badRequest(
      `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${normal.join(' ')}]${also}`,
    )
  }
  if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`)
  return asked
}

/** Where the kubelet API of a node is. */
export function addressOf(node: KubeObject): { host: string; port: number } {
  const addresses: any[] = node.status?.addresses ?? []
  const host = (addresses.find((one) => one.type === 'InternalIP') ?? addresses[0])?.address ?? '127.0.0.1'
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
  if (!port) throw internal(`node ${node.metadata.name} does not say where its kubelet API is`)
  return { host, port }
}

/** Passes a GET on to a node, as kube-apiserver-kubelet-client. */
function proxy(rr: ResourceRequest, node: KubeObject, path: string): Promise<ApiResponse> {
  const { host, port } = addressOf(node)
  const { pki } = rr.api
  return new Promise((resolve, reject) => {
    const upstream = nodeHttps().request(
      { host, port, path, ca: pki.ca.cert, cert: pki.kubeletClient.cert, key: pki.kubeletClient.key, agent: false },
      (incoming) => {
        if (incoming.statusCode === 200) resolve(stream(incoming))
        else void refusal(incoming).then(reject)
      },
    )
    upstream.on('error', (error) => {
      reject(new StatusError(500, 'InternalError', `Get "https://${host}:${port}${path}": ${error.message}`))
    })
    rr.request.signal.addEventListener('abort', () => upstream.destroy(), { once: true })
    upstream.end()
  })
}

function stream(incoming: IncomingMessage): ApiResponse {
  return {
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: (sink) => {
      const resume = () => {
        if (sink.buffered < 1024 * 1024) incoming.resume()
      }
      sink.onDrain?.(resume)
      incoming.on('data', (chunk: Buffer) => {
        sink.write(chunk)
        if (sink.buffered >= 1024 * 1024 && sink.onDrain) incoming.pause()
      })
      incoming.on('end', () => sink.end())
      incoming.on('error', () => sink.destroy())
      sink.signal.addEventListener('abort', () => incoming.destroy(), { once: true })
    },
  }
}

/** What the node answered, as a Status: it may be one already. */
export async function refusal(incoming: IncomingMessage): Promise<StatusError> {
  return asStatus(incoming.statusCode ?? 500, await textOf(incoming))
}

export async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of incoming.setEncoding('utf8')) {
      text += chunk
      if (text.length > 10_000) break
    }
  } catch {
    // what came so far must do
  }
  return text
}

export function asStatus(code: number, text: string): StatusError {
  try {
    const status = JSON.parse(text)
    if (status.kind === 'Status')
      return new StatusError(status.code ?? code, status.reason, status.message, status.details)
  } catch {
    // plain text
  }
  const reason = code === 404 ? 'NotFound' : code === 400 ? 'BadRequest' : 'InternalError'
  return new StatusError(code, reason, text.trim() || `the node answered ${code}`)
}
