import { openRegistry, registryAddress, registryCredentials } from '#image'
import type { Kube } from '#kube'
import { CuddleError } from '#lib'
import type { Delivery } from '../build/index.ts'
import { App } from '../kinds.ts'
import { copyRegistryAuth, readRegistryAuth, writeRegistryAuth } from '../registry-auth.ts'

/**
 * Where images go, with the credentials that the cluster keeps for it, when there are any.
 * @throws CuddleError `bad-registry`, `bad-registry-auth`
 */
export async function openDelivery(kube: Kube, registry: string): Promise<Delivery> {
  const { url, host, path } = registryAddress(registry)
  const text = await readRegistryAuth(kube)
  const credentials = text === undefined ? undefined : registryCredentials(text, host)
  return { registry: openRegistry({ url, ...(credentials && { credentials }) }), prefix: `${host}/${path}`, path }
}

/**
 * Keeps the credentials for a registry in the cluster, for pushing and, in every app's namespace, for pulling.
 *
 * @param text a Docker configuration (config.json); only what it says of this registry is kept
 * @throws CuddleError `bad-registry-auth`
 */
export async function setRegistryAuth(kube: Kube, registry: string, text: string): Promise<void> {
  const { host } = registryAddress(registry)
  const credentials = registryCredentials(text, host)
  if (!credentials) throw new CuddleError('bad-registry-auth', `the file has no credentials for ${host}`)
  const { username, password } = credentials
  const auth = Buffer.from(`${username}:${password}`).toString('base64')
  const own = JSON.stringify({ auths: { [host]: { auth } } })
  await writeRegistryAuth(kube, own)
  for (const { metadata } of (await kube.listAll(App)).items) await copyRegistryAuth(kube, metadata.name!, own)
}

/** Whether the cluster keeps credentials for pulling. */
export async function hasRegistryAuth(kube: Kube): Promise<boolean> {
  return (await readRegistryAuth(kube)) !== undefined
}
