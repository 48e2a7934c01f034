import type { ClientRequest } from 'node:http'
import { Agent, request } from 'node:https'
import type { TestEnd } from './ends.ts'
import { openStream, type StreamAnswer, type StreamOptions, upgradeTo } from './stream.ts'

export interface Answer {
  code: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Parsed, when it is JSON. */
  body: any
}

/** One thing a server was asked and what it said: what is compared. */
export interface Step {
  asked: string
  said: { code: number; headers: Record<string, unknown>; body: unknown }
}

export type PatchType = 'merge' | 'json' | 'strategic' | 'apply'

const mediaTypes: Record<PatchType, string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

export interface SendOptions {
  headers?: Record<string, string>
  /** Content type. @default application/json */
  type?: string
  /** On a connection of its own. */
  alone?: boolean
  /** Without the administrator's certificate. */
  anonymous?: boolean
  /** False: not part of the comparison, only of the way there. */
  record?: boolean
  /** Only this of the body is compared. */
  pick?: (body: any) => unknown
}

const patience = 30_000
/** The headers that clients act upon. */
const compared = ['content-type', 'warning', 'retry-after', 'cache-control', 'vary', 'allow', 'location']

/** A conversation with one server. Everything said is recorded, and is compared with what the other server said. */
export class Client {
  readonly steps: Step[] = []
  /** This case's own namespace. */
  readonly ns: string
  /** An API group that is this case's alone. */
  readonly group: string
  /** What containers are made of, where there is a node. */
  readonly image: string
  private readonly end: TestEnd
  private readonly agent: Agent
  private readonly stranger: Agent
  private readonly open = new Set<Watch>()
  private readonly undo: string[] = []

  constructor(end: TestEnd, name: string) {
    this.end = end
    this.ns = name
    this.group = `${name}.example.com`
    this.image = end.image ?? ''
    this.agent = new Agent({ keepAlive: true, ca: end.ca, cert: end.cert, key: end.key })
    this.stranger = new Agent({ ca: end.ca })
  }

  /** Path of a namespaced collection: `pods`, or `apps/v1/deployments`. */
  path(resource: string): string {
    const prefix = resource.includes('/') ? `/apis/${resource.slice(0, resource.lastIndexOf('/'))}` : '/api/v1'
    return `${prefix}/namespaces/${this.ns}/${resource.slice(resource.lastIndexOf('/') + 1)}`
  }

  get(path: string, options?: SendOptions) {
    return this.send('GET', path, undefined, options)
  }
  post(path: string, body: unknown, options?: SendOptions) {
    return this.send('POST', path, body, options)
  }
  put(path: string, body: unknown, options?: SendOptions) {
    return this.send('PUT', path, body, options)
  }
  delete(path: string, body?: unknown, options?: SendOptions) {
    return this.send('DELETE', path, body, options)
  }
  patch(type: PatchType, path: string, body: unknown, options: SendOptions = {}) {
    return this.send('PATCH', path, body, { ...options, type: mediaTypes[type] })
  }
  /** Server-side apply as `manager`. */
  apply(manager: string, path: string, body: unknown, options?: SendOptions & { force?: boolean }) {
    const query = `fieldManager=${manager}${options?.force ? '&force=true' : ''}`
    return this.patch('apply', `${path}${path.includes('?') ? '&' : '?'}${query}`, body, options)
  }

  async send(method: string, path: string, body?: unknown, options: SendOptions = {}): Promise<Answer> {
    const answer = await this.exchange(method, path, body, options)
    if (options.record !== false) this.record(`${method} ${path}`, answer, options.pick)
    return answer
  }

  /** Asks again until it says what is waited for; only that is compared. */
  async until(path: string, met: (answer: Answer) => boolean, options: SendOptions = {}): Promise<Answer> {
    const deadline = Date.now() + patience
    for (;;) {
      const answer = await this.exchange('GET', path, undefined, options)
      if (met(answer)) {
        if (options.record !== false) this.record(`GET ${path}`, answer, options.pick)
        return answer
      }
      if (Date.now() > deadline)
        throw new Error(`GET ${path}: in vain, the last answer was ${answer.code} ${answer.text}`)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }

  /**
   * Opens a WebSocket, says what is to be said, and reads until the server closes or `enough`. What each channel carried is compared, not in
   * which pieces.
   */
  async stream(path: string, options: StreamOptions): Promise<StreamAnswer> {
    const answer = await openStream(
      this.request('GET', path, undefined, { headers: upgradeTo(options), alone: true }),
      options,
    )
    const { code, protocol, channels, closed, text } = answer
    const parsed = Object.fromEntries(Object.entries(channels).map(([name, said]) => [name, parse(said) ?? said]))
    const body = text === undefined ? { channels: parsed, closed } : (parse(text) ?? text)
    const asked = `STREAM ${path} ${options.protocols.join(',')}`
    this.steps.push({ asked, said: { code, headers: { protocol }, body: options.pick?.(body) ?? body } })
    return answer
  }

  async watch(path: string, options: SendOptions = {}): Promise<Watch> {
    const query = `${path}${path.includes('?') ? '&' : '?'}watch=true`
    const outgoing = this.request('GET', query, undefined, options)
    const watch = new Watch(outgoing, (asked, said) => this.steps.push({ asked: `WATCH ${asked}`, said }), query)
    this.open.add(watch)
    await watch.opened
    return watch
  }

  /** Creates a CustomResourceDefinition of this case's own group, waits until it is served, and returns its collection. */
  async define(kind: string, version: object, more: Record<string, any> = {}, spec: object = {}): Promise<string> {
    const plural = `${kind.toLowerCase()}s`
    const name = `${plural}.${this.group}`
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const answer = await this.post(
      definitions,
      {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name },
        spec: {
          group: this.group,
          scope: 'Namespaced',
          names: { plural, singular: kind.toLowerCase(), kind, ...more },
          versions: [{ name: 'v1', served: true, storage: true, ...version }],
          ...spec,
        },
      },
      { record: false },
    )
    if (answer.code !== 201) throw new Error(`the definition of ${kind} was refused: ${answer.text}`)
    this.undo.push(`${definitions}/${name}`)
    const collection = `/apis/${this.group}/v1/namespaces/${this.ns}/${plural}`
    await this.until(collection, ({ code }) => code === 200, { record: false })
    // Writes are taken a moment later than reads, when the definition is settled.
    const established = ({ body }: Answer) =>
      body.status?.conditions?.some((one: any) => one.type === 'Established' && one.status === 'True')
    await this.until(`${definitions}/${name}`, established, { record: false })
    return collection
  }

  /** Removes at the end what does not live in the namespace. */
  later(path: string): void {
    this.undo.push(path)
  }

  async begin(): Promise<void> {
    const made = await this.post('/api/v1/namespaces', { metadata: { name: this.ns } }, { record: false })
    if (made.code !== 201) throw new Error(`no namespace: ${made.text}`)
    this.undo.push(`/api/v1/namespaces/${this.ns}`)
    if (!this.end.controllers) return
    const account = ({ code }: Answer) => code === 200
    await this.until(this.path('serviceaccounts') + '/default', account, { record: false })
    await this.until(this.path('configmaps') + '/kube-root-ca.crt', account, { record: false })
  }

  async finish(): Promise<void> {
    for (const watch of this.open) watch.close()
    for (const path of this.undo.reverse()) await this.delete(path, undefined, { record: false })
    this.agent.destroy()
  }

  private record(asked: string, { code, headers, text, body }: Answer, pick?: (body: any) => unknown): void {
    const kept = Object.fromEntries(compared.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])))
    this.steps.push({ asked, said: { code, headers: kept, body: body === undefined ? text : (pick?.(body) ?? body) } })
  }

  private request(method: string, path: string, bytes: Buffer | undefined, options: SendOptions): ClientRequest {
    const headers = {
      'user-agent': 'contract/1.0',
      ...(bytes && { 'content-type': options.type ?? 'application/json', 'content-length': bytes.length }),
      ...options.headers,
    }
    const { host, port, ca, cert, key } = this.end
    if (options.alone) return request({ host, port, path, method, headers, ca, cert, key, agent: false })
    return request({ host, port, path, method, headers, agent: options.anonymous ? this.stranger : this.agent })
  }

  private exchange(method: string, path: string, body: unknown, options: SendOptions): Promise<Answer> {
    const raw = typeof body === 'string' || body instanceof Buffer
    const bytes = body === undefined ? undefined : Buffer.from(raw ? (body as string) : JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const outgoing = this.request(method, path, bytes, options)
      outgoing.on('error', reject)
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ code: incoming.statusCode!, headers: incoming.headers, text, body: parse(text) })
        })
      })
      outgoing.end(bytes)
    })
  }
}

/** An open watch. */
export class Watch {
  readonly opened: Promise<void>
  /** Resolves when the server has ended it. */
  readonly ended: Promise<void>
  code = 0
  private events: any[] = []
  private wake: () => void = () => {}
  private readonly outgoing: ClientRequest
  private readonly record: (asked: string, said: Step['said']) => void
  private readonly asked: string

  constructor(outgoing: ClientRequest, record: (asked: string, said: Step['said']) => void, asked: string) {
    this.outgoing = outgoing
    this.record = record
    this.asked = asked
    let end: () => void
    this.ended = new Promise((resolve) => {
      end = resolve
    })
    this.opened = new Promise((resolve, reject) => {
      outgoing.on('error', (error) => {
        reject(error)
        end()
      })
      outgoing.on('response', (incoming) => {
        this.code = incoming.statusCode!
        let rest = ''
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n')
          rest = lines.pop()!
          this.events.push(...lines.filter(Boolean).map((line) => JSON.parse(line)))
          this.wake()
        })
        incoming.on('error', () => {})
        incoming.on('close', () => {
          if (rest) this.events.push(parse(rest))
          this.wake()
          end()
        })
        resolve()
      })
      outgoing.end()
    })
  }

  /** The next `count` events, compared; an error when they do not come. Bookmarks come when they like: see `bookmark`. */
  async next(count: number): Promise<any[]> {
    const deadline = Date.now() + patience
    const live = () => this.events.filter(({ type, object }) => type !== 'BOOKMARK' || object.metadata?.annotations)
    while (live().length < count) await this.more(deadline, `${count} events, there are ${JSON.stringify(live())}`)
    const taken = live().slice(0, count)
    this.events = this.events.slice(this.events.indexOf(taken.at(-1)) + 1)
    this.record(`${this.asked} +${count}`, { code: this.code, headers: {}, body: taken })
    return taken
  }

  /** The next bookmark, after which events before it are forgotten. */
  async bookmark(): Promise<any> {
    const deadline = Date.now() + patience
    for (;;) {
      const at = this.events.findIndex(({ type }) => type === 'BOOKMARK')
      if (at >= 0) {
        const [found] = this.events.splice(0, at + 1).slice(-1)
        this.record(`${this.asked} bookmark`, { code: this.code, headers: {}, body: found })
        return found
      }
      await this.more(deadline, 'a bookmark')
    }
  }

  /** What came that nobody took, compared; for the end. */
  rest(): any[] {
    const left = this.events.filter(({ type }) => type !== 'BOOKMARK')
    this.record(`${this.asked} rest`, { code: this.code, headers: {}, body: left })
    return left
  }

  close(): void {
    this.outgoing.destroy()
  }

  private async more(deadline: number, what: string): Promise<void> {
    if (Date.now() > deadline) throw new Error(`${this.asked}: waited in vain for ${what}`)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 250)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function parse(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
