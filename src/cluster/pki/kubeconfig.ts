import { join } from 'node:path'
import { writeFileAtomic } from '#lib'
import type { Pki } from './pki.ts'

/** Writes home/kubeconfig: the admin's client certificate for the API server at `url`. Returns its path. */
export function writeKubeconfig(home: string, pki: Pki, url: string): string {
  const path = join(home, 'kubeconfig')
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'cuddle',
    clusters: [{ name: 'cuddle', cluster: { server: url, 'certificate-authority-data': base64(pki.ca.cert) } }],
    users: [
      {
        name: 'cuddle-admin',
        user: {
          'client-certificate-data': base64(pki.admin.cert),
          'client-key-data': base64(pki.admin.key),
        },
      },
    ],
    contexts: [{ name: 'cuddle', context: { cluster: 'cuddle', user: 'cuddle-admin' } }],
  }
  // JSON is YAML: no library on the boot path.
  writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`, 0o600)
  return path
}
