import type { KubeObject } from '#kube'
import type { Pki } from '../../pki/index.ts'

const name = 'extension-apiserver-authentication'
const namespace = 'kube-system'

/**
 * What an extension server has to know to believe us: our authorities, and in which headers we say whom we speak for. In the
 * ConfigMap that every one of them reads.
 */
export function trustObject({ pki }: { pki: Pick<Pki, 'ca' | 'frontProxy'> }): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data: {
      'client-ca-file': pki.ca.cert,
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-client-ca-file': pki.frontProxy.ca.cert,
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    },
  }
}

/** The Role that lets a server read it; its operator binds it. */
export function trustReaderRole(): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: {
      name: `${name}-reader`,
      namespace,
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
    },
    rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get', 'list', 'watch'] }],
  }
}
