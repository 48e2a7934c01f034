/** Helpers of the API's tests: a server in a fresh home, and a client that says what it gets. */
import { Agent, type RequestOptions, request } from 'node:https'
import { join } from 'node:path'
import type { Clock, Logger } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { ensurePki, type Pki, writeKubeconfig } from '../pki/index.ts'
import { Store, type StoreOptions } from '../store/index.ts'
import { type ApiServer, startApiServer } from './server.ts'

export interface Answer {
  code: number
  headers: Record<string, any>
  text: string
  body: any
}

export interface TestApi {
  home: string
  pki: Pki
  store: Store
  server: ApiServer
  kubeconfig: string
  /** As the administrator, over HTTPS. `type` is the content type (JSON unless told). */
  send(
    method: string,
    path: string,
    body?: unknown,
    options?: { type?: string; headers?: Record<string, string>; as?: 'admin' | 'nobody' },
  ): Promise<Answer>
  /** Opens a watch and collects its events. */
  watch(path: string): Promise<{ events: any[]; code: number; ended: Promise<void>; close(): void }>
}

type Context = { after(fn: () => void | Promise<void>): void }

export async function testApi(
  t: Context,
  options: { clock?: Clock; log?: Logger; store?: Partial<StoreOptions>; adminToken?: string } = {},
): Promise<TestApi> {
  const home = temporaryDirectory(t)
  const pki = await ensurePki(home)
  const store = Store.open({ path: join(home, 'store/state.db'), encryptionKey: pki.encryptionKey, ...options.store })
  const server = await startApiServer({ ...options, pki, store, port: 0 })
  const admin = new Agent({ keepAlive: true, ca: pki.ca.cert, cert: pki.admin.cert, key: pki.admin.key })
  const nobody = new Agent({ keepAlive: true, ca: pki.ca.cert })
  t.after(async () => {
    admin.destroy()
    nobody.destroy()
    await server.close()
    store.close()
  })
  const open = (method: string, path: string, more: RequestOptions = {}) =>
    request({ host: '127.0.0.1', port: server.port, path, method, agent: admin, ...more })
  return {
    home,
    pki,
    store,
    server,
    kubeconfig: writeKubeconfig(home, pki, server.url),
    send(method, path, body, { type = 'application/json', headers = {}, as = 'admin' } = {}) {
      const bytes =
        body === undefined
          ? undefined
          : Buffer.from(typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body))
      return new Promise((resolve, reject) => {
        const outgoing = open(method, path, {
          agent: as === 'admin' ? admin : nobody,
          headers: { ...(bytes && { 'content-type': type, 'content-length': bytes.length }), ...headers },
        })
        outgoing.on('error', reject)
        outgoing.on('response', (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('error', reject)
          incoming.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            let parsed: any
            try {
              parsed = JSON.parse(text)
            } catch {
              // not JSON
            }
            resolve({ code: incoming.statusCode!, headers: incoming.headers, text, body: parsed })
          })
        })
        outgoing.end(bytes)
      })
    },
    watch(path) {
      return new Promise((resolve, reject) => {
        const outgoing = open('GET', path)
        outgoing.on('error', reject)
        outgoing.on('response', (incoming) => {
          const events: any[] = []
          let rest = ''
          incoming.setEncoding('utf8').on('data', (chunk: string) => {
            const lines = (rest + chunk).split('\n')
            rest = lines.pop()!
            for (const line of lines) events.push(JSON.parse(line))
          })
          const ended = new Promise<void>((done) => incoming.on('close', () => done()))
          incoming.on('error', () => {})
          resolve({ events, code: incoming.statusCode!, ended, close: () => outgoing.destroy() })
        })
        outgoing.end()
      })
    },
  }
}

export const configMaps = '/api/v1/namespaces/default/configmaps'

export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(labels && { labels }) }, data }
}

/** The definition of the Widget that the captures of the real server were made with. */
export const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        additionalPrinterColumns: [{ name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' }],
        selectableFields: [{ jsonPath: '.spec.color' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  color: { type: 'string', enum: ['red', 'blue'] },
                  replicas: { type: 'integer', default: 1, maximum: 10 },
                },
              },
              status: { type: 'object', properties: { phase: { type: 'string' }, replicas: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
}

export const widgets = '/apis/example.com/v1/namespaces/default/widgets'

export function widget(name: string, spec: object = { color: 'red' }, metadata: object = {}) {
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name, ...metadata }, spec }
}
