import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Agent } from 'node:https'
import type { KubeObject } from '#kube'
import { backoffDelay, errorMessage, nodeHttps, rfc3339 } from '#lib'
import type { Api, ApiRequest, ApiResponse, User } from '../request.ts'
import type { ListedResource } from './discovered.ts'
import { forwarded, identityHeaders } from './identity-headers.ts'
import { streamed } from './streamed.ts'
import { apiServiceResource, resolveTarget, type ServiceReference } from './target.ts'

/** Between looks at a server that is well, ms; kube-aggregator resyncs as often. */
const steadyMs = 30_000
const backoff = { initial: 250, max: steadyMs }
const checkTimeoutMs = 5_000
const bodyLimit = 3 * 1024 * 1024
const prober: User = { name: 'system:kube-aggregator', groups: ['system:masters'] }

/** One APIService that names a Service: the connection to its server, and whether it is available. */
export class Delegate {
  readonly group: string
  readonly version: string
  readonly name: string
  groupPriority: number
  versionPriority: number
  available: boolean
  /** What its server said that it serves; kept while it does not answer. */
  resources: readonly ListedResource[] = []
  /** Whether `resources` is what it said when it was last asked. */
  fresh = false
  readonly #api: Api
  readonly #changed: () => void
  readonly #service: ServiceReference
  readonly #agent: Agent
  readonly #closed = new AbortController()
  #wake = new AbortController()

  /** @param changed called whenever discovery has to say something else */
  constructor(api: Api, object: KubeObject, changed: () => void) {
    const { group = '', version, service, groupPriorityMinimum, versionPriority } = object['spec']
    this.#api = api
    this.#changed = changed
    this.group = group
    this.version = version
    this.name = object.metadata.name!
    this.groupPriority = groupPriorityMinimum
    this.versionPriority = versionPriority
    this.#service = { namespace: service.namespace, name: service.name, port: service.port ?? 443 }
    this.available = conditionOf(object)?.status === 'True'
    this.#agent = agentFor(api, object)
    void this.#watch()
  }

  /** The server, or what it depends on, may have changed: looks at once. */
  poke(): void {
    this.#wake.abort()
  }

  close(): void {
    this.#closed.abort()
    this.#agent.destroy()
  }

  /** Passes a request on in its user's name. Never rejects: as kube-aggregator, failures are plain text. */
  async forward(request: ApiRequest): Promise<ApiResponse> {
    if (!this.available) return plain(503, 'service unavailable')
    const target = resolveTarget(this.#api.store, this.#service)
    if ('reason' in target) return plain(503, 'service unavailable')
    const reads = request.method === 'GET' || request.method === 'HEAD'
    const body = reads ? undefined : await request.body(bodyLimit)
    const query = request.query.toString()
    try {
      const incoming = await this.#request(
        {
          ...target,
          method: request.method,
          path: query === '' ? request.path : `${request.path}?${query}`,
          headers: {
            ...forwarded(request.headers),
            'x-forwarded-uri': request.path,
            'x-forwarded-proto': 'https',
            ...(body && { 'content-length': String(body.length) }),
            ...identityHeaders(request.user),
          },
        },
        body,
        request.signal,
      )
      return { status: incoming.statusCode ?? 502, headers: forwarded(incoming.headers), body: streamed(incoming) }
    } catch (error) {
      return plain(503, `error trying to reach service: ${errorMessage(error)}`)
    }
  }

  #request(
    options: { host: string; port: number; method: string; path: string; headers: Record<string, string | string[]> },
    body: Buffer | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing: ClientRequest = nodeHttps().request({ ...options, agent: this.#agent, signal }, resolve)
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  async #watch(): Promise<void> {
    const { clock } = this.#api
    const { signal } = this.#closed
    for (let failures = 0; !signal.aborted; ) {
      this.#wake = new AbortController()
      const problem = await this.#check()
      if (signal.aborted) return
      failures = problem ? failures + 1 : 0
      await this.#tell(problem).catch((error) =>
        this.#api.log.warn({ apiservice: this.name, error: errorMessage(error) }, 'availability not written'),
      )
      const pause = AbortSignal.any([signal, this.#wake.signal])
      await clock.sleep(problem ? backoffDelay(failures, backoff) : steadyMs, pause)
    }
  }

  /** Asks for what the server has to serve, which is also what discovery says of it. */
  async #check(): Promise<{ reason: string; message: string } | undefined> {
    const target = resolveTarget(this.#api.store, this.#service)
    if ('reason' in target) return this.#doubt(target)
    const path = this.group === '' ? `/api/${this.version}` : `/apis/${this.group}/${this.version}`
    const url = `https://${target.host}:${target.port}${path}`
    const timeout = AbortSignal.timeout(checkTimeoutMs)
    const failed = (message: string) => this.#doubt({ reason: 'FailedDiscoveryCheck', message })
    try {
      const headers = { accept: 'application/json', ...identityHeaders(prober) }
      const signal = AbortSignal.any([timeout, this.#closed.signal])
      const incoming = await this.#request({ ...target, method: 'GET', path, headers }, undefined, signal)
      const code = incoming.statusCode ?? 0
      const text = await textOf(incoming)
      if (code < 200 || code >= 300) {
        return failed(`failing or missing response from ${url}: bad status from ${url}: ${code}`)
      }
      this.#learn(text)
      return undefined
    } catch (error) {
      const why = timeout.aborted ? 'context deadline exceeded' : errorMessage(error)
      return failed(`failing or missing response from ${url}: Get "${url}": ${why}`)
    }
  }

  #doubt<T>(problem: T): T {
    if (this.fresh) this.#changed()
    this.fresh = false
    return problem
  }

  #learn(text: string): void {
    let resources: readonly ListedResource[] = []
    try {
      const listed = JSON.parse(text)?.resources
      if (Array.isArray(listed)) resources = listed.filter((one) => typeof one?.name === 'string')
    } catch {
      // It answers, which is what availability means; what it serves stays unknown.
    }
    const same = this.fresh && JSON.stringify(resources) === JSON.stringify(this.resources)
    this.resources = resources
    this.fresh = true
    if (!same) this.#changed()
  }

  /** Writes the Available condition where it says something else by now. */
  async #tell(problem: { reason: string; message: string } | undefined): Promise<void> {
    this.available = problem === undefined
    const { reason, message } = problem ?? { reason: 'Passed', message: 'all checks passed' }
    const status = problem ? 'False' : 'True'
    await this.#api.store.write(apiServiceResource, this.name, (current) => {
      if (!current) return { keep: true }
      const before = conditionOf(current.object)
      if (before && before.status === status && before.reason === reason && before.message === message) {
        return { keep: true }
      }
      const since = before?.status === status ? before.lastTransitionTime : rfc3339(this.#api.clock.now())
      const condition = { type: 'Available', status, lastTransitionTime: since, reason, message }
      const others = (current.object.status?.conditions ?? []).filter(({ type }: any) => type !== 'Available')
      return { put: { ...current.object, status: { conditions: [...others, condition] } } }
    })
  }
}

function conditionOf(object: KubeObject): any {
  return object.status?.conditions?.find(({ type }: any) => type === 'Available')
}

/** Connections to the server: checked against caBundle, under the Service's name, whatever address it has. */
function agentFor(api: Api, object: KubeObject): Agent {
  const { service, caBundle, insecureSkipTLSVerify } = object['spec']
  const { client } = api.pki.frontProxy
  return new (nodeHttps().Agent)({
    keepAlive: true,
    servername: `${service.name}.${service.namespace}.svc`,
    cert: client.cert,
    key: client.key,
    ...(caBundle && { ca: Buffer.from(caBundle, 'base64') }),
    rejectUnauthorized: insecureSkipTLSVerify !== true,
  })
}

export function plain(status: number, text: string): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: Buffer.from(`${text}\n`),
  }
}

/** Most that discovery may say. */
const discoveryLimit = 4 * 1024 * 1024

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    size += chunk.length
    if (size > discoveryLimit) throw new Error(`more than ${discoveryLimit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
