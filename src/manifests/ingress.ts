import type { KubeObject } from '#kube'
import { metadata, objectName } from './names.ts'
import type { CompileInput } from './types.ts'

/** The name that an app is reached at without any domain of its own. */
export function host(input: CompileInput): string {
  return `${input.app}.${input.environment.baseDomain}`
}

/** The hosts of `web`, its own first. With https, the certificate is expected in Secret `APP-tls`. */
export function ingress(input: CompileInput): KubeObject {
  const { ingressClassName, scheme } = input.environment
  const hosts = [...new Set([host(input), ...input.spec.domains])]
  const backend = { service: { name: objectName(input.app, 'web'), port: { name: 'http' } } }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadata(input, objectName(input.app, 'web'), 'web'),
    spec: {
      ...(ingressClassName === undefined ? {} : { ingressClassName }),
      ...(scheme === 'https' ? { tls: [{ hosts, secretName: `${input.app}-tls` }] } : {}),
      rules: hosts.map((name) => ({
        host: name,
        http: { paths: [{ path: '/', pathType: 'Prefix', backend }] },
      })),
    },
  }
}
