import type { Kube } from '#kube'
import { ConfigMap } from '#kube'
import { type Clock, CuddleError } from '#lib'

/** What every use case needs: an API and a clock. Nothing here knows whether the cluster is embedded. */
export interface Context {
  kube: Kube
  clock: Clock
  /** Who acts, for the record. */
  user: string
}

/** Where the platform's own objects live. */
export const systemNamespace = 'cuddle-system'
const settingsName = 'platform'

/** What rendering needs to know of the place: written by the platform at start, read by every command. */
export interface Settings {
  /** Apps answer at APP.baseDomain. */
  baseDomain: string
  scheme: 'http' | 'https'
  /** The router's port when it is not the scheme's own. */
  routerPort?: number
  ingressClassName?: string
  /** Where git pushes and folder uploads go, e.g. `http://127.0.0.1:7070`. */
  platformUrl: string
  /** Pods need credentials to pull their images; the platform has them. */
  privateRegistry?: boolean
}

/** The settings as an object, to be applied into the system namespace. */
export function settingsObject(settings: Settings) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: settingsName, namespace: systemNamespace },
    data: { settings: JSON.stringify(settings) },
  }
}

/** Reads the settings. @throws CuddleError `no-platform` where the platform was never started */
export async function readSettings(kube: Kube): Promise<Settings> {
  const found = await kube.find(ConfigMap, settingsName, systemNamespace)
  if (!found?.data?.settings) {
    throw new CuddleError('no-platform', 'the platform has not been started on this cluster', { hint: 'cuddle up' })
  }
  return JSON.parse(found.data.settings) as Settings
}

/** The address people open. */
export function appUrl(app: string, settings: Settings): string {
  const port = settings.routerPort ? `:${settings.routerPort}` : ''
  return `${settings.scheme}://${app}.${settings.baseDomain}${port}`
}
