import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { ConfigMap, type Kube } from '#kube'
import type { Clock } from '#lib'

/** Who asks, as the API server knows them. */
export interface Caller {
  name: string
  uid?: string
  groups: string[]
  extra: Record<string, string[]>
}

/** What they want: of a resource, or of a path that is none. */
export type Attempt =
  | { verb: string; group: string; resource: string; subresource?: string; namespace?: string; name?: string }
  | { verb: string; path: string }

interface Trust {
  ca: string
  names: string[]
  headers: { user: string[]; group: string[]; uid: string[]; extra: string[] }
}

/** How long an answer of the API server about a caller holds, ms (allowed, and denied, as apiserver's delegating ones). */
const allowedMs = 10_000
const deniedMs = 5_000
/** Between looks at whom to trust when somebody comes who is not. */
const trustMs = 10_000
const mostRemembered = 1_000

/**
 * Authentication and authorisation as every extension server does them: the API server's own requests name the user in headers
 * and are known by a client certificate (the ConfigMap `extension-apiserver-authentication`); whoever comes directly brings a
 * token, which the API server reviews. What they may do is asked of the API server.
 */
export class Callers {
  readonly #kube: Kube
  readonly #clock: Clock
  #trust: Trust | undefined
  #looked = Number.NEGATIVE_INFINITY
  readonly #remembered = new Map<string, { value: Promise<unknown>; until: number }>()

  constructor(kube: Kube, clock: Clock) {
    this.#kube = kube
    this.#clock = clock
  }

  /** The authority of those who may speak for others, PEM; read again at most every ten seconds. */
  async authority(): Promise<string | undefined> {
    if (this.#clock.monotonic() - this.#looked >= trustMs) {
      this.#looked = this.#clock.monotonic()
      const found = await this.#kube.find(ConfigMap, 'extension-apiserver-authentication', 'kube-system')
      this.#trust = readTrust(found?.data ?? {})
    }
    return this.#trust?.ca
  }

  /** The caller, or undefined for one who proves nothing. */
  async identify(request: IncomingMessage): Promise<Caller | undefined> {
    const token = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined) return this.#review(token)
    const socket = request.socket as TLSSocket
    const trust = this.#trust
    if (!trust || !socket.authorized) return undefined
    const { CN } = (socket.getPeerCertificate().subject ?? {}) as { CN?: string }
    if (trust.names.length > 0 && !trust.names.includes(String(CN))) return undefined
    return spokenFor(request, trust.headers)
  }

  async allowed(caller: Caller, attempt: Attempt): Promise<boolean> {
    if (caller.groups.includes('system:masters')) return true
    const { name: user, uid, groups, extra } = caller
    const attributes =
      'path' in attempt
        ? { nonResourceAttributes: { path: attempt.path, verb: attempt.verb } }
        : { resourceAttributes: attempt }
    const spec = { user, groups, extra, ...(uid && { uid }), ...attributes }
    return this.#once(`may ${JSON.stringify(spec)}`, async () => {
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
      const { status } = await this.#kube.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        body,
      })
      return status?.allowed === true
    })
  }

  #review(token: string): Promise<Caller | undefined> {
    return this.#once(`is ${token}`, async () => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } }
      const { status } = await this.#kube.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { body })
      if (!status?.authenticated) return undefined
      const { username, uid, groups = [], extra = {} } = status.user ?? {}
      return { name: username, groups, extra, ...(uid && { uid }) }
    })
  }

  /** Remembers answers for a while; failures are not answers. */
  #once<T>(question: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.monotonic()
    const known = this.#remembered.get(question)
    if (known && known.until > now) return known.value as Promise<T>
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear()
    const entry = { value: ask(), until: Number.POSITIVE_INFINITY }
    this.#remembered.set(question, entry)
    entry.value.then(
      (answer) => {
        entry.until = this.#clock.monotonic() + (answer ? allowedMs : deniedMs)
      },
      () => this.#remembered.delete(question),
    )
    return entry.value
  }
}

function readTrust(data: Record<string, string>): Trust | undefined {
  const ca = data['requestheader-client-ca-file']
  if (!ca) return undefined
  const list = (key: string): string[] => {
    try {
      const value = JSON.parse(data[key] ?? '[]')
      return Array.isArray(value) ? value.map((one) => String(one).toLowerCase()) : []
    } catch {
      return []
    }
  }
  return {
    ca,
    names: list('requestheader-allowed-names'),
    headers: {
      user: list('requestheader-username-headers'),
      group: list('requestheader-group-headers'),
      uid: list('requestheader-uid-headers'),
      extra: list('requestheader-extra-headers-prefix'),
    },
  }
}

function spokenFor({ rawHeaders }: IncomingMessage, names: Trust['headers']): Caller | undefined {
  const caller: Caller = { name: '', groups: [], extra: {} }
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase()
    const value = rawHeaders[index + 1]
    if (names.user.includes(name)) caller.name ||= value
    else if (names.group.includes(name)) caller.groups.push(value)
    else if (names.uid.includes(name)) caller.uid = value
    const prefix = names.extra.find((one) => name.startsWith(one))
    if (prefix === undefined) continue
    const key = decoded(name.slice(prefix.length))
    if (key === '__proto__') continue
    caller.extra[key] = [...(caller.extra[key] ?? []), value]
  }
  if (caller.name === '') return undefined
  // As every API server does (AuthenticatedGroupAdder): the aggregator itself comes without any group to discover us.
  const told = ['system:authenticated', 'system:unauthenticated'].some((group) => caller.groups.includes(group))
  if (!told && caller.name !== 'system:anonymous') caller.groups.push('system:authenticated')
  return caller
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}
