import { type Kube, Secret } from '#kube'
import { pullSecret } from '#manifests'
import { systemNamespace } from './context.ts'

const secretName = 'registry'
const key = '.dockerconfigjson'

/** The Docker configuration with which images are pushed and pulled; undefined where the registry asks for none. */
export async function readRegistryAuth(kube: Kube): Promise<string | undefined> {
  const data = (await kube.find(Secret, secretName, systemNamespace))?.data?.[key]
  return data && Buffer.from(data, 'base64').toString('utf8')
}

export async function writeRegistryAuth(kube: Kube, text: string): Promise<void> {
  await kube.apply(Secret, pullSecret({ name: secretName, namespace: systemNamespace }, text), {
    fieldManager: 'cuddle',
  })
}

/** Puts it where the pods of an app find it: a pull secret has to be in the pod's own namespace. */
export async function copyRegistryAuth(kube: Kube, app: string, text: string): Promise<void> {
  await kube.apply(Secret, pullSecret({ name: `${app}-registry`, namespace: app }, text), { fieldManager: 'cuddle' })
}
