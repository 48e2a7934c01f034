import { keepAnnotation } from './names.ts'

/** Docker's credentials as the kubelet takes them. Copied by the platform; like all secret values part of no release. */
export function pullSecret({ name, namespace }: { name: string; namespace: string }, dockerConfig: string) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'cuddle' },
      annotations: { [keepAnnotation]: 'true' },
    },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(dockerConfig).toString('base64') },
  }
}
