import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { CuddleError, errorMessage, isObject } from '#lib'

/** How to reach a cluster and as whom. Certificates and keys are PEM text. */
export interface ClusterConfig {
  /** `https://host:port`, perhaps with a path prefix. */
  server: string
  ca?: string
  cert?: string
  key?: string
  token?: string
  /** Read again as it rotates; wins over `token`. */
  tokenFile?: string
  username?: string
  password?: string
  insecureSkipTlsVerify?: boolean
  tlsServerName?: string
  /** The context's namespace. @default default */
  namespace: string
}

/**
 * Reads a kubeconfig (client-go's clientcmd/v1 Config): one context's cluster, user and namespace, with files read and
 * `*-data` decoded. Plug-ins (`exec`, `auth-provider`) are refused: they run foreign programs.
 */
export function loadKubeConfig(
  source: { path: string; text?: string; context?: string } | { path?: undefined; text: string; context?: string },
): ClusterConfig {
  const where = source.path ?? 'the given kubeconfig'
  const config = parse(source.text ?? readFile(source.path!, 'kubeconfig'), where)
  const base = source.path ? dirname(resolve(source.path)) : undefined
  const contextName = source.context ?? config['current-context']
  const context = entry(config, 'contexts', contextName, 'context', where)
  const cluster = entry(config, 'clusters', context['cluster'], 'cluster', where)
  const user = context['user'] ? entry(config, 'users', context['user'], 'user', where) : {}
  if (user['exec'] || user['auth-provider'])
    throw new CuddleError(
      'kubeconfig',
      `${where}: user ${context['user']} logs in through a plug-in, which is not done`,
      {
        hint: 'use a context with a token or a client certificate, such as one of a service account',
      },
    )
  if (typeof cluster['server'] !== 'string' || !URL.canParse(cluster['server']))
    throw new CuddleError('kubeconfig', `${where}: cluster ${context['cluster']} has no valid server URL`)

  const pem = (object: Record<string, any>, field: string): string | undefined => {
    const data = object[`${field}-data`]
    if (typeof data === 'string' && data !== '') return Buffer.from(data, 'base64').toString()
    return object[field] ? readFile(at(base, object[field]), field) : undefined
  }
  return defined({
    server: cluster['server'].replace(/\/+$/, ''),
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    token: user['token'],
    tokenFile: user['tokenFile'] && at(base, user['tokenFile']),
    username: user['username'],
    password: user['password'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    tlsServerName: cluster['tls-server-name'],
    namespace: context['namespace'] || 'default',
  })
}

/**
 * The configuration of a pod's own service account.
 * @param options `host` and `port` are the pod's KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
 */
export function inClusterConfig(options: { host: string; port: string | number; directory?: string }): ClusterConfig {
  const directory = options.directory ?? '/var/run/secrets/kubernetes.io/serviceaccount'
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    server: `https://${host}:${options.port}`,
    ca: readFile(join(directory, 'ca.crt'), 'the service account'),
    tokenFile: join(directory, 'token'),
    namespace: readFile(join(directory, 'namespace'), 'the service account').trim(),
  }
}

function parse(text: string, where: string): Record<string, any> {
  let value: unknown
  try {
    // yaml is loaded only for text that needs it: JSON is a kubeconfig too, and quicker
    value = text.trimStart().startsWith('{')
      ? JSON.parse(text)
      : (createRequire(import.meta.url)('yaml') as typeof import('yaml')).parse(text)
  } catch (error) {
    throw new CuddleError('kubeconfig', `${where} cannot be read: ${errorMessage(error)}`, { cause: error })
  }
  if (!isObject(value)) throw new CuddleError('kubeconfig', `${where} is not a kubeconfig`)
  return value
}

function entry(config: Record<string, any>, list: string, name: unknown, field: string, where: string) {
  const entries: unknown = config[list]
  const found = Array.isArray(entries) ? entries.find((item) => isObject(item) && item['name'] === name) : undefined
  if (!isObject(found?.[field])) {
    const names = Array.isArray(entries) ? entries.map((item) => item?.name).join(', ') : ''
    throw new CuddleError('kubeconfig', `${where} has no ${field} named "${name ?? ''}"`, {
      hint: names ? `it has: ${names}` : 'check the file, or pass another',
    })
  }
  return found[field] as Record<string, any>
}

const at = (base: string | undefined, path: string) => (isAbsolute(path) || !base ? path : join(base, path))

function readFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CuddleError('kubeconfig', `${what}: cannot read ${path}: ${errorMessage(error)}`, { cause: error })
  }
}

function defined<T extends object>(fields: T): ClusterConfig {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as ClusterConfig
}
