import type { KubeObject } from '#kube'
import { metadata } from './names.ts'
import type { CompileInput } from './types.ts'

/** An identity of the app's own, without a token: an app that does not speak to the API cannot leak access to it. */
export function serviceAccount(input: CompileInput): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(input, input.app),
    automountServiceAccountToken: false,
    ...(input.environment.privateRegistry && { imagePullSecrets: [{ name: `${input.app}-registry` }] }),
  }
}
