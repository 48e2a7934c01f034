import type { KubeObject } from '#kube'
import { shortHash } from '#lib'
import { metadata } from './names.ts'
import type { CompileInput, ObjectInput } from './types.ts'

/*
 * Config is immutable and named by its content. A changed value is a new object and so a new pod template: pods of one
 * release never see another's config, a rollback finds the old object, and equal config restarts nothing.
 */

/** Names of what holds an app's variables; absent when there are none. */
export interface ConfigNames {
  plain?: string
  secret?: string
}

/** The two objects that hold an app's variables, as far as they hold any. */
export function configObjects(input: CompileInput): { names: ConfigNames; objects: KubeObject[] } {
  const plain = configMap(input)
  const secret = configSecret(input)
  const names: ConfigNames = {}
  const objects: KubeObject[] = []
  if (plain) {
    names.plain = plain.metadata.name
    objects.push(plain)
  }
  if (secret) {
    names.secret = secret.metadata.name
    objects.push(secret)
  }
  return { names, objects }
}

/** The plain values of the spec's `env`, without those that a config var replaces; undefined when there are none. */
export function configMap(input: CompileInput): KubeObject | undefined {
  const data: Record<string, string> = {}
  let any = false
  for (const name of Object.keys(input.spec.env).sort()) {
    const entry = input.spec.env[name]
    if (!('value' in entry) || Object.hasOwn(input.config, name)) continue
    data[name] = entry.value
    any = true
  }
  if (!any) return undefined
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(input, `${input.app}-env-${shortHash(data)}`),
    immutable: true,
    data,
  }
}

/** The config vars; undefined when there are none. */
export function configSecret(input: ObjectInput & Pick<CompileInput, 'config'>): KubeObject | undefined {
  const names = Object.keys(input.config)
  if (names.length === 0) return undefined
  const data: Record<string, string> = {}
  for (const name of names.sort()) data[name] = Buffer.from(input.config[name]).toString('base64')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata(input, `${input.app}-env-${shortHash(data)}`),
    immutable: true,
    type: 'Opaque',
    data,
  }
}

/** True when the developer gives this variable a value: what the platform would set gives way to it. */
export function givenByUser(input: CompileInput, name: string): boolean {
  if (Object.hasOwn(input.config, name)) return true
  return Object.hasOwn(input.spec.env, name) && 'value' in input.spec.env[name]
}
