import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Pki } from '#cluster'
import { systemClock } from '#lib'
import { issue } from '../../src/lib/x509/issue.ts'

/**
 * Writes home/NAME.kubeconfig for a component, with just the rights that RBAC's bootstrap roles and the node authorizer give it.
 * @param options.user @default system:NAME
 */
export function writeComponent(
  home: string,
  pki: Pki,
  url: string,
  name: string,
  options: { user?: string; group?: string } = {},
): string {
  const subject = { commonName: options.user ?? `system:${name}`, organization: options.group, client: true }
  const pair = issue(pki.ca, subject, systemClock.now())
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const path = join(home, `${name}.kubeconfig`)
  const cluster = {
    server: url,
    // Whatever way it is reached, it is this server.
    'tls-server-name': 'kubernetes',
    'certificate-authority-data': base64(pki.ca.cert),
  }
  const user = { 'client-certificate-data': base64(pair.cert), 'client-key-data': base64(pair.key) }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return path
}

/** What the API server answers the administrator; undefined when it does not. */
export function ask(pki: Pki, port: number, path: string): Promise<{ status: number; text: string } | undefined> {
  return new Promise((resolve) => {
    const { cert, key } = pki.admin
    const outgoing = request({ port, host: '127.0.0.1', path, ca: pki.ca.cert, cert, key, agent: false })
    outgoing.setTimeout(2_000, () => outgoing.destroy())
    outgoing.on('error', () => resolve(undefined))
    outgoing.on('response', (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk) => (text += chunk))
      incoming.on('error', () => resolve(undefined))
      incoming.on('end', () => resolve({ status: incoming.statusCode!, text }))
    })
    outgoing.end()
  })
}
