import { type Kube, Secret } from '#kube'
import { CuddleError } from '#lib'
import type { BeamPod } from './nodes.ts'

/** The cookie of a node, read with the rights of who asks. @throws CuddleError `no-cookie` */
export async function readCookie(kube: Kube, { namespace, cookie }: BeamPod): Promise<string> {
  const found = await kube.find(Secret, cookie.name, namespace)
  const value = found?.data?.[cookie.key]
  if (!value) {
    throw new CuddleError('no-cookie', `secret "${cookie.name}" of ${namespace} has no cookie at "${cookie.key}"`, {
      hint: `beam.cookie in cuddle.yaml names a config var that holds it, or is auto`,
    })
  }
  return Buffer.from(value, 'base64').toString('utf8')
}
