/** A tiny extension server for tests: it serves one group and says who asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { x509 } from '#lib'

export interface ExtensionServer {
  port: number
  /** PEM of the authority that its certificate is signed by. */
  ca: string
  /** Requests that came, in order. */
  seen: { method: string; url: string; headers: IncomingMessage['headers']; certificate: string }[]
  /** Answers with this status instead, or not at all. */
  broken: number | 'silent' | undefined
  close(): Promise<void>
}

type Context = { after(fn: () => void | Promise<void>): void }

/** @param name the Service's name as `NAME.NAMESPACE.svc`: what the certificate is for */
export async function extensionServer(
  t: Context,
  name: string,
  group: string,
  options: { resources?: object[]; port?: number } = {},
): Promise<ExtensionServer> {
  const { issue, issueAuthority } = await x509()
  const ca = issueAuthority(Date.now(), 'extension-ca')
  const leaf = issue(ca, { commonName: name, server: true, names: [name] }, Date.now(), 'extension-ca')
  const resources = options.resources ?? [
    { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get', 'list'] },
    { name: 'flunders/ripe', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
  ]
  const answer = (request: IncomingMessage, response: ServerResponse, body: string) => {
    const { method = '', url = '', headers } = request
    const certificate = String((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN)
    extension.seen.push({ method, url, headers, certificate })
    const json = (code: number, value: unknown) => {
      response.writeHead(code, { 'content-type': 'application/json', 'x-flunder': 'yes' })
      response.end(JSON.stringify(value))
    }
    if (extension.broken === 'silent') return
    if (extension.broken) return json(extension.broken, { kind: 'Status', code: extension.broken })
    if (url === `/apis/${group}/v1`) {
      return json(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/v1`, resources })
    }
    if (!url.startsWith(`/apis/${group}/v1/`)) return json(404, { kind: 'Status', code: 404 })
    json(200, {
      kind: 'Flunder',
      apiVersion: `${group}/v1`,
      metadata: { name: 'echo' },
      method,
      url,
      body,
      user: headers['x-remote-user'],
      groups: headers['x-remote-group'],
    })
  }
  const server = createServer({ cert: leaf.cert, key: leaf.key, requestCert: true, rejectUnauthorized: false })
  server.on('request', (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk))
    request.on('end', () => answer(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const extension: ExtensionServer = {
    port: (server.address() as AddressInfo).port,
    ca: ca.cert,
    seen: [],
    broken: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  t.after(() => extension.close())
  return extension
}

/** The Service and the APIService that give `group` to it. */
export function registration(
  group: string,
  namespace: string,
  { port, ca }: Pick<ExtensionServer, 'port' | 'ca'>,
  version = 'v1',
) {
  return {
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'flunder', namespace },
      spec: { type: 'ExternalName', externalName: '127.0.0.1' },
    },
    apiService: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `${version}.${group}` },
      spec: {
        group,
        version,
        groupPriorityMinimum: 200,
        versionPriority: 20,
        caBundle: Buffer.from(ca).toString('base64'),
        service: { namespace, name: 'flunder', port },
      },
    },
  }
}
