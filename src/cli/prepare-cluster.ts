import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ClusterConfig as Access, ApiError, createKube, httpTransport, loadKubeConfig } from '#kube'
import { CuddleError, errorMessage, systemClock, writeFileAtomic } from '#lib'
import {
  checkMetricsFree,
  hasRegistryAuth,
  installWithAccess,
  issueToken,
  openDelivery,
  otherPlatform,
  setRegistryAuth,
  writeToken,
} from '#platform'
import { checkOwnName } from './cluster-options.ts'
import type { Invocation } from './command.ts'
import { settingsOf } from './control-platform.ts'
import { type ClusterConfig, type HomeConfig, identityOf, paths, routerClass } from './home.ts'

/** Makes the cluster ready for the platform with the user's rights, and the platform's own credentials with few. */
export async function prepareCluster(
  invocation: Invocation,
  config: HomeConfig,
  cluster: ClusterConfig,
): Promise<void> {
  const { out, home } = invocation
  const { kubeconfig, context } = cluster
  const authFile: string | undefined = invocation.values['registry-auth']
  const auth = authFile === undefined ? undefined : readAuth(resolve(invocation.cwd, authFile))
  const access = loadKubeConfig({ path: kubeconfig, ...(context && { context }) })
  const kube = createKube(httpTransport(access), { userAgent: 'cuddle', timeoutMs: 15_000 })
  try {
    out.busy(`asking ${access.server}`)
    await asked(access, () => kube.request('GET', '/version'))
    const other = await asked(access, () => otherPlatform(kube, identityOf(home), systemClock))
    if (other !== undefined) {
      throw new CuddleError('in-use', `the apps of this cluster are driven by another platform already: ${other}`, {
        hint: 'cuddle down there (machine and home are what is named), then cuddle up here',
      })
    }
    const metrics = cluster.metricsHost !== undefined
    if (cluster.metricsHost !== undefined) {
      await checkOwnName(cluster.metricsHost)
      await asked(access, () => checkMetricsFree(kube))
    }
    out.busy('installing the platform')
    await asked(access, async () => {
      const privateRegistry = auth !== undefined || (await hasRegistryAuth(kube))
      const settings = {
        ...settingsOf({ config }),
        ingressClassName: routerClass,
        ...(privateRegistry && { privateRegistry }),
      }
      await installWithAccess(kube, settings, systemClock, { metrics })
      if (auth !== undefined) await setRegistryAuth(kube, cluster.registry, auth)
    })
    out.busy(`asking ${cluster.registry}`)
    await (await openDelivery(kube, cluster.registry)).registry.check(invocation.signal)
    writeToken(paths(home).platformToken, await asked(access, () => issueToken(kube)))
  } finally {
    kube.close()
  }
  writeAccess(home, access)
}

function readAuth(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CuddleError('bad-registry-auth', `cannot read ${file}`, { cause })
  }
}

/** What the daemons connect with: the cluster's address and their own token, nothing of the user's. */
function writeAccess(home: string, access: Access): void {
  const { platformKubeconfig, platformToken } = paths(home)
  const cluster = {
    server: access.server,
    ...(access.ca && { 'certificate-authority-data': Buffer.from(access.ca).toString('base64') }),
    ...(access.insecureSkipTlsVerify && { 'insecure-skip-tls-verify': true }),
    ...(access.tlsServerName && { 'tls-server-name': access.tlsServerName }),
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'cuddle',
    clusters: [{ name: 'cuddle', cluster }],
    users: [{ name: 'cuddle', user: { tokenFile: platformToken } }],
    contexts: [{ name: 'cuddle', context: { cluster: 'cuddle', user: 'cuddle' } }],
  }
  writeFileAtomic(platformKubeconfig, `${JSON.stringify(config, null, 2)}\n`, 0o600)
}

/** What a cluster refuses, in words that lead on. */
async function asked<T>({ server }: Access, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CuddleError) throw error
    if (!(error instanceof ApiError)) {
      throw new CuddleError('unreachable', `the Kubernetes API at ${server} does not answer: ${errorMessage(error)}`, {
        hint: 'is the cluster up, and the address in the kubeconfig right?',
        cause: error,
      })
    }
    if (error.code === 401) {
      throw new CuddleError('not-allowed', `${server} does not accept the credentials of the kubeconfig`, {
        hint: 'they may have expired, or be of another cluster',
        cause: error,
      })
    }
    if (error.code !== 403) throw error
    throw new CuddleError('not-allowed', 'you may not install the platform on this cluster', {
      details: [error.message],
      hint: 'use a context that may, or have a cluster admin run: cuddle manifest | kubectl apply --server-side -f -',
      cause: error,
    })
  }
}
