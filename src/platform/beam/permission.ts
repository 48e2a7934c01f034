import { isNotFound, type Kube } from '#kube'
import { CuddleError } from '#lib'
import type { BeamPod } from './nodes.ts'

interface Right {
  verb: string
  resource: string
  subresource?: string
  name?: string
}

/** What a look inside takes: a way to the node, what it asks at the door, and the trace that is left. */
const rights = ({ pod, cookie }: BeamPod): Right[] => [
  { verb: 'create', resource: 'pods', subresource: 'portforward', name: pod },
  { verb: 'get', resource: 'secrets', name: cookie.name },
  { verb: 'create', resource: 'events' },
]

/**
 * Asks the API server whether the caller may look inside a pod's node, and who they are there. The answer counts also where
 * the node can be reached without that server.
 *
 * @returns the caller's name as the API server knows it, where it tells
 * @throws CuddleError `not-allowed`, which names the rights that are missing
 */
export async function checkAccess(kube: Kube, pod: BeamPod): Promise<string | undefined> {
  const { namespace } = pod
  const ask = async (right: Right) => {
    const spec = { resourceAttributes: { namespace, group: '', ...right } }
    const { status } = await review(kube, 'authorization.k8s.io/v1', 'SelfSubjectAccessReview', { spec })
    return status?.allowed === true ? [] : [right]
  }
  const [user, ...missing] = await Promise.all([whoAmI(kube), ...rights(pod).map(ask)])
  const lacking = missing.flat()
  if (lacking.length === 0) return user
  const verbs = lacking.map((right) => `${right.verb} ${words(right)}`)
  throw new CuddleError('not-allowed', `${user ?? 'you'} may not look inside pod "${pod.pod}" of ${namespace}`, {
    details: verbs.map((verb) => `missing right: ${verb}`),
    hint: `ask for it, or as an admin: kubectl create role look-inside -n ${namespace} --verb=get,create --resource=${lacking.map(words).join()}, and a rolebinding`,
  })
}

const words = ({ resource, subresource }: Right) => (subresource ? `${resource}/${subresource}` : resource)

/** Servers before 1.28 do not say. */
async function whoAmI(kube: Kube): Promise<string | undefined> {
  try {
    return (await review(kube, 'authentication.k8s.io/v1', 'SelfSubjectReview', {})).status?.userInfo?.username
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function review(kube: Kube, apiVersion: string, kind: string, rest: object): Promise<Record<string, any>> {
  const body = { apiVersion, kind, metadata: {}, ...rest }
  return kube.request('POST', `/apis/${apiVersion}/${kind.toLowerCase()}s`, { body })
}
