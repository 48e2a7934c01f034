import type { KubeObject, objects } from '#kube'
import { metadata, objectName } from './names.ts'
import type { CompileInput } from './types.ts'

/** The name that an app is reached at without any domain of its own. */
export function host(input: CompileInput): string {
  return `${input.app}.${input.environment.baseDomain}`
}

/** The hosts of `web`, its own first. With https, the certificate is expected in Secret `APP-tls`. */
export function ingress(input: CompileInput): KubeObject {
  const { ingressClassName, scheme } = input.environment
  const own = host(input)
  const hosts = [own, ...input.spec.domains.filter((domain) => domain !== own)]
  const backend = { service: { name: objectName(input.app, 'web'), port: { name: 'http' } } }
  const spec: objects.IngressSpec = {}
  if (ingressClassName !== undefined) spec.ingressClassName = ingressClassName
  if (scheme === 'https') spec.tls = [{ hosts, secretName: `${input.app}-tls` }]
  spec.rules = hosts.map((name) => ({ host: name, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }))
  const meta = metadata(input, objectName(input.app, 'web'), 'web')
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: meta, spec }
}
