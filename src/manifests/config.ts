import type { KubeObject, objects } from '#kube'
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

/** The objects that hold an app's variables, as far as it has any. */
export function configObjects(input: CompileInput): {
  names: ConfigNames
  configMap: KubeObject | undefined
  secret: KubeObject | undefined
} {
  const configMap = plainConfig(input)
  const secret = configSecret(input)
  const names: ConfigNames = {}
  if (configMap) names.plain = configMap.metadata.name
  if (secret) names.secret = secret.metadata.name
  return { names, configMap, secret }
}

/** The config vars; undefined when there are none. */
export function configSecret(input: ObjectInput & Pick<CompileInput, 'config'>): KubeObject | undefined {
  const { config } = input
  const names = Object.keys(config)
  if (names.length === 0) return undefined
  const data: Record<string, string> = {}
  for (const name of names.sort()) data[name] = Buffer.from(config[name]).toString('base64')
  const meta = metadata(input, contentName(input.app, data))
  return { apiVersion: 'v1', kind: 'Secret', metadata: meta, immutable: true, type: 'Opaque', data }
}

/** The plain values of the spec's `env`, without those that a config var replaces; undefined when there are none. */
function plainConfig(input: CompileInput): KubeObject | undefined {
  const { config } = input
  const { env } = input.spec
  const data: Record<string, string> = {}
  let any = false
  for (const name of Object.keys(env).sort()) {
    const entry = env[name]
    if (!('value' in entry) || Object.hasOwn(config, name)) continue
    data[name] = entry.value
    any = true
  }
  if (!any) return undefined
  const meta = metadata(input, contentName(input.app, data))
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta, immutable: true, data }
}

// The keys are sorted already, so the text is the content.
function contentName(app: string, data: Record<string, string>): string {
  return `${app}-env-${shortHash(JSON.stringify(data))}`
}

/** Adds a variable, unless the developer gives it a value: then the platform's gives way. */
export function offer(env: objects.EnvVar[], input: CompileInput, name: string, value: string): void {
  if (!given(input, name)) env.push({ name, value })
}

/** Adds to a variable of words: after those that the developer gives it. */
export function add(env: objects.EnvVar[], input: CompileInput, name: string, words: readonly string[]): void {
  if (words.length > 0) env.push({ name, value: [...(given(input, name) ? [`$(${name})`] : []), ...words].join(' ') })
}

function given(input: CompileInput, name: string): boolean {
  const written = input.spec.env[name]
  return input.config[name] !== undefined || (written !== undefined && 'value' in written)
}
