import type { objects } from '#kube'
import type { ProcessSpec } from '#spec'
import { beamEnv } from './beam.ts'
import { type ConfigNames, offer } from './config.ts'
import { host } from './ingress.ts'
import type { CompileInput } from './types.ts'

/** Where the developer's variables come from. Of two sources of one name the later wins: config vars come last. */
export function envFrom(config: ConfigNames): objects.EnvFromSource[] | undefined {
  if (config.plain === undefined && config.secret === undefined) return undefined
  const sources: objects.EnvFromSource[] = []
  if (config.plain !== undefined) sources.push({ configMapRef: { name: config.plain } })
  if (config.secret !== undefined) sources.push({ secretRef: { name: config.secret } })
  return sources
}

/** What the platform gives a process by itself. `env` beats `envFrom`, so what the developer gives is left out here. */
export function processEnv(
  input: CompileInput,
  config: ConfigNames,
  name: string,
  process: ProcessSpec,
): objects.EnvVar[] {
  const { port } = process
  const env: objects.EnvVar[] = port === undefined ? [] : [{ name: 'PORT', value: String(port) }]
  if (input.runtime === 'node') offer(env, input, 'NODE_ENV', 'production')
  if (input.runtime !== 'beam') return env
  if (name === 'web') {
    // What Phoenix' generated runtime.exs asks for before it serves.
    offer(env, input, 'PHX_SERVER', 'true')
    offer(env, input, 'PHX_HOST', input.spec.domains.find((domain) => !domain.startsWith('*')) ?? host(input))
  }
  beamEnv(env, input, config.secret, process)
  return env
}

/** The same for something that runs to its end, with variables of its own that win over all others. */
export function taskEnv(input: CompileInput, config: ConfigNames, own: Record<string, string> = {}): objects.EnvVar[] {
  const env: objects.EnvVar[] = []
  if (input.runtime === 'node') offer(env, input, 'NODE_ENV', 'production')
  if (input.runtime === 'beam') beamEnv(env, input, config.secret, undefined)
  const names = Object.keys(own)
  if (names.length === 0) return env
  return [
    ...env.filter(({ name }) => !Object.hasOwn(own, name)),
    ...names.map((name) => ({ name, value: escapeReferences(own[name]) })),
  ]
}

/** `$(NAME)` in a value would be expanded by the kubelet; doubled it is what was written. */
function escapeReferences(value: string): string {
  return value.replaceAll('$(', () => '$$(')
}
