import { CuddleError } from '#lib'

export interface RegistryOptions {
  /** Where it answers: `https://registry.example.com`, `http://127.0.0.1:5000`. */
  url: string
  credentials?: { username: string; password: string }
}

export interface RegistryRequest {
  headers?: Record<string, string>
  body?: Uint8Array
  /** What a token must allow, e.g. `repository:shop:pull,push`; several are separated by a space. */
  scope: string
  /** Statuses that are a result; others throw. */
  expect: number[]
  signal?: AbortSignal
}

export interface RegistryClient {
  /** @param target a path, or an absolute URL that the registry gave */
  request(method: string, target: string, request: RegistryRequest): Promise<{ response: Response; url: string }>
}

/** Requests with authorization as the registry asks for it: none, Basic, or a Bearer token from its token server. */
export function createRegistryClient({ url: base, credentials }: RegistryOptions): RegistryClient {
  const origin = new URL(base).origin
  const basic =
    credentials && `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  const authorizations = new Map<string, string>()

  async function challenge(response: Response, scope: string, signal?: AbortSignal): Promise<string | undefined> {
    const header = response.headers.get('www-authenticate') ?? ''
    if (/^basic/i.test(header)) return basic
    const realm = parameter(header, 'realm')
    if (!/^bearer/i.test(header) || !realm) return undefined
    const target = new URL(realm, base)
    if (origin.startsWith('https:') && target.protocol !== 'https:') {
      throw new CuddleError('registry-failed', `${origin} sends to a token server without TLS: ${target.origin}`)
    }
    const service = parameter(header, 'service')
    if (service) target.searchParams.set('service', service)
    for (const one of scope.split(' ')) target.searchParams.append('scope', one)
    const answer = await fetch(target, { headers: basic ? { authorization: basic } : {}, signal })
    if (!answer.ok) return undefined
    const { token, access_token } = (await answer.json()) as { token?: string; access_token?: string }
    return `Bearer ${token ?? access_token}`
  }

  return {
    async request(method, target, { headers, body, scope, expect, signal }) {
      const url = new URL(target, base)
      for (let attempt = 0; ; attempt++) {
        // Uploads may be sent to another host (object storage), which must not see the credentials.
        const authorization = url.origin === origin ? authorizations.get(scope) : undefined
        let response: Response
        try {
          const all = authorization ? { ...headers, authorization } : headers
          response = await fetch(url, {
            method,
            headers: all,
            body: body as Uint8Array<ArrayBuffer> | undefined,
            signal,
          })
        } catch (cause) {
          if (signal?.aborted) throw cause
          throw new CuddleError('registry-failed', `the registry at ${origin} does not answer`, {
            hint: 'is it up, and can it be reached from here? --registry http://HOST:PORT names one without TLS',
            cause,
          })
        }
        if (expect.includes(response.status)) return { response, url: url.href }
        if (response.status === 401 && attempt === 0) {
          await response.body?.cancel()
          const next = await challenge(response, scope, signal)
          if (next) {
            authorizations.set(scope, next)
            continue
          }
        }
        throw await failure(response, method, url, origin)
      }
    },
  }
}

function parameter(header: string, name: string): string | undefined {
  return new RegExp(`[\\s,]${name}="([^"]*)"`, 'i').exec(header)?.[1]
}

async function failure(response: Response, method: string, url: URL, origin: string): Promise<CuddleError> {
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel()
    return new CuddleError('registry-unauthorized', `the registry at ${origin} refuses ${method} ${url.pathname}`, {
      hint: 'check the user name and the password or token',
    })
  }
  const text = await response.text().catch(() => '')
  return new CuddleError(
    'registry-failed',
    `the registry at ${origin} answered ${response.status} to ${method} ${url.pathname}`,
    {
      details: text ? [text.slice(0, 500)] : [],
    },
  )
}
