import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '#lib'
import { temporaryDirectory, until } from '#lib/testing'
import {
  type ClusterConfig,
  ConfigMap,
  createKube,
  httpTransport,
  isAlreadyExists,
  isConflict,
  isGone,
  isNotFound,
  Pod,
} from './index.ts'

async function serve(t: TestContext, handler: RequestListener, config: Partial<ClusterConfig> = {}) {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const kube = createKube(httpTransport({ server: url, namespace: 'default', ...config }))
  t.after(() => {
    kube.close()
    server.closeAllConnections()
    server.close()
  })
  return { kube, server }
}

function answer(response: ServerResponse, code: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
const status = (code: number, reason: string) => ({ kind: 'Status', status: 'Failure', code, reason, message: reason })

async function bodyOf(request: IncomingMessage): Promise<any> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text === '' ? undefined : JSON.parse(text)
}

test('each verb is one request as Kubernetes has it', async (t) => {
  const seen: unknown[] = []
  const { kube } = await serve(t, async (request, response) => {
    seen.push([request.method, request.url, request.headers['content-type'], await bodyOf(request)])
    answer(response, 200, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })
  })
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n' } }
  const path = '/api/v1/namespaces/n/configmaps'
  const ref = { name: 'a', namespace: 'n' }
  await kube.get(ConfigMap, 'a', 'n')
  await kube.create(ConfigMap, object)
  await kube.replace(ConfigMap, object, { subresource: 'status' })
  await kube.patch(ConfigMap, ref, [{ op: 'remove', path: '/data' }], { type: 'json' })
  await kube.apply(ConfigMap, object, { fieldManager: 'me' })
  await kube.delete(ConfigMap, 'a', 'n', { preconditions: { uid: 'u' } })
  await kube.evict('p', 'n')
  await kube.create(Pod, { apiVersion: 'v1', kind: 'Binding', metadata: ref } as any, { subresource: 'binding' })
  const json = 'application/json'
  assert.deepEqual(seen, [
    ['GET', `${path}/a`, undefined, undefined],
    ['POST', path, json, object],
    ['PUT', `${path}/a/status`, json, object],
    ['PATCH', `${path}/a`, 'application/json-patch+json', [{ op: 'remove', path: '/data' }]],
    ['PATCH', `${path}/a?fieldManager=me&force=true`, 'application/apply-patch+yaml', object],
    ['DELETE', `${path}/a`, json, { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u' } }],
    [
      'POST',
      '/api/v1/namespaces/n/pods/p/eviction',
      json,
      { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p', namespace: 'n' } },
    ],
    ['POST', '/api/v1/namespaces/n/pods/a/binding', json, { apiVersion: 'v1', kind: 'Binding', metadata: ref }],
  ])
})

test('a failure carries the Status', async (t) => {
  const codes: [number, string][] = [
    [404, 'NotFound'],
    [409, 'AlreadyExists'],
    [409, 'Conflict'],
    [410, 'Expired'],
  ]
  const { kube } = await serve(t, (_, response) => {
    const [code, reason] = codes.shift()!
    answer(response, code, status(code, reason))
  })
  const failures: any[] = []
  for (let count = codes.length; count > 0; count--)
    failures.push(await kube.get(ConfigMap, 'a', 'n').catch((error) => error))
  assert.deepEqual(
    [isNotFound, isAlreadyExists, isConflict, isGone].map((is) => failures.map(is).indexOf(true)),
    [0, 1, 2, 3],
  )
  assert.equal(failures[1].reason, 'AlreadyExists')
})

test('a name cannot leave its place in the path', async (t) => {
  const { kube } = await serve(t, (request, response) => answer(response, 200, { url: request.url }))
  assert.equal(
    ((await kube.get(ConfigMap, '../secrets/x', 'n')) as any).url,
    '/api/v1/namespaces/n/configmaps/..%2Fsecrets%2Fx',
  )
  await assert.rejects(async () => kube.get(ConfigMap, '..', 'n'), { code: 'invalid-name' })
  await assert.rejects(async () => kube.get(ConfigMap, 'a'), { code: 'no-namespace' })
})

test('429 with Retry-After is waited out; an eviction that a budget forbids is not', async (t) => {
  let asked = 0
  const { kube } = await serve(t, (request, response) => {
    const busy = request.url?.endsWith('/eviction') || ++asked < 3
    if (busy) answer(response, 429, status(429, 'TooManyRequests'), { 'retry-after': '0' })
    else answer(response, 200, { metadata: { name: 'a' } })
  })
  await kube.get(ConfigMap, 'a', 'n')
  assert.equal(asked, 3)
  await assert.rejects(kube.evict('p', 'n'), { code: 429 })
})

test('listAll reads every page, and starts over when the token expires', async (t) => {
  let expire = true
  const { kube } = await serve(t, (request, response) => {
    const query = new URL(request.url!, 'http://x').searchParams
    const page = Number(query.get('continue') ?? 0)
    if (page === 2 && expire) {
      expire = false
      return answer(response, 410, status(410, 'Expired'))
    }
    const metadata = { resourceVersion: '7', ...(page < 2 && { continue: String(page + 1) }) }
    return answer(response, 200, { metadata, items: [{ metadata: { name: `p${page}` } }] })
  })
  const list = await kube.listAll(Pod)
  assert.deepEqual(
    list.items.map(({ metadata }) => metadata.name),
    ['p0', 'p1', 'p2'],
  )
  assert.deepEqual(list.metadata, { resourceVersion: '7' })
  assert.equal(list.items[0]!.kind, 'Pod')
})

test('a watch reads events whole, however the bytes are cut and however long they are', async (t) => {
  const big = 'ü'.repeat(700_000)
  const events = ['a', big, 'c'].map((text) => ({
    type: 'ADDED',
    object: { metadata: { name: 'a', annotations: { text } } },
  }))
  const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const { kube } = await serve(t, async (_, response) => {
    // a cut in the middle of the first ü
    const cut = bytes.indexOf('ü') + 1
    for (const [from, to] of [
      [0, 20],
      [20, cut],
      [cut, 300_000],
      [300_000, bytes.length],
    ] as const) {
      response.write(bytes.subarray(from, to))
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  })
  const texts = []
  for await (const event of kube.watch(ConfigMap)) texts.push(event.object['metadata'].annotations.text)
  assert.deepEqual(texts, ['a', big, 'c'])
})

test('a watch that is cut within an event fails; one that is aborted just ends', async (t) => {
  const open = new Set<ServerResponse>()
  const { kube } = await serve(t, (request, response) => {
    if (request.url?.includes('cut')) return response.end('{"type":"ADDED","obj')
    open.add(response)
    return response.writeHead(200).flushHeaders()
  })
  const read = async (options: object) => {
    for await (const _ of kube.watch(ConfigMap, options));
  }
  await assert.rejects(read({ labelSelector: 'cut' }), /cut within an event/)
  const abort = new AbortController()
  const reading = read({ signal: abort.signal })
  await until(() => open.size > 0)
  abort.abort()
  await reading
})

test('a token file is read again after 401', async (t) => {
  const tokenFile = join(temporaryDirectory(t), 'token')
  writeFileSync(tokenFile, 'old\n')
  const seen: unknown[] = []
  const { kube } = await serve(
    t,
    (request, response) => {
      seen.push(request.headers.authorization)
      const valid = request.headers.authorization === 'Bearer new'
      answer(response, valid ? 200 : 401, valid ? { metadata: {} } : status(401, 'Unauthorized'))
    },
    { tokenFile },
  )
  writeFileSync(tokenFile, 'new\n')
  await kube.get(ConfigMap, 'a', 'n')
  writeFileSync(tokenFile, 'newer\n')
  assert.deepEqual(seen, ['Bearer new'])
  await kube.get(ConfigMap, 'a', 'n')
  assert.equal(seen.length, 2)
})

test('an exchange that gets no answer is given up', async (t) => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const transport = httpTransport({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    namespace: 'n',
  })
  const kube = createKube(transport, { timeoutMs: 30, clock: systemClock })
  await assert.rejects(kube.get(ConfigMap, 'a', 'n'), /no answer within 30 ms/)
  kube.close()
})

test('resolve finds how a kind is served', async (t) => {
  const { kube } = await serve(t, (request, response) => {
    if (request.url !== '/apis/x.io/v1') return answer(response, 404, status(404, 'NotFound'))
    const resources = [
      { name: 'greetings', kind: 'Greeting', namespaced: true },
      { name: 'greetings/status', kind: 'Greeting', namespaced: true },
    ]
    return answer(response, 200, { kind: 'APIResourceList', resources })
  })
  const greeting = { group: 'x.io', version: 'v1', kind: 'Greeting', plural: 'greetings', namespaced: true }
  assert.deepEqual(await kube.resolve('x.io/v1', 'Greeting'), greeting)
  assert.equal(await kube.resolve('x.io/v1', 'Other'), undefined)
  assert.equal(await kube.resolve('y.io/v1', 'Greeting'), undefined)
})
