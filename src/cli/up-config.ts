import { totalmem } from 'node:os'
import { CuddleError, formatBytes, parseQuantity } from '#lib'
import { chooseCluster } from './cluster-options.ts'
import type { Invocation } from './command.ts'
import { defaultConfig, type HomeConfig, livePid, paths, readConfig } from './home.ts'

/**
 * What `cuddle up` is to start: what its options say, else what the home remembers, else the defaults.
 * @throws CuddleError `usage` for values that cannot be, `running` when something else runs already
 */
export function chooseConfig(invocation: Invocation): HomeConfig {
  const before = readConfig(invocation.home) ?? defaultConfig
  const number = (name: string, fallback: number, most: number) => {
    const text = invocation.values[name]
    if (text === undefined) return fallback
    const value = Number(text)
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new CuddleError('usage', `--${name} takes a number from 1 to ${most}, not "${text}"`)
    return value
  }
  const ports = {
    api: number('api-port', before.ports.api, 65535),
    router: number('router-port', before.ports.router, 65535),
    git: number('git-port', before.ports.git, 65535),
  }
  if (new Set(Object.values(ports)).size < 3) throw new CuddleError('usage', 'the three ports have to differ')
  const cluster = chooseCluster(invocation, before.cluster)
  const capacity = chooseCapacity(invocation, before.capacity)
  const config: HomeConfig = {
    version: 1,
    ports,
    nodes: number('nodes', before.nodes, 64),
    ...(capacity && { capacity }),
    ...(cluster && { cluster }),
  }
  const running = livePid(paths(invocation.home).supervisorPid, invocation.home) !== undefined
  if (running && (JSON.stringify(config) !== JSON.stringify(before) || invocation.values['registry-auth'])) {
    throw new CuddleError('running', 'the cluster is up already, with other settings', {
      hint: 'cuddle down, then cuddle up with the new ones',
    })
  }
  return config
}

/** More CPUs than there are only make each worth less; memory that is not there cannot be promised. */
function chooseCapacity({ values }: Invocation, before: HomeConfig['capacity']): HomeConfig['capacity'] {
  const choose = (name: 'cpus' | 'memory', old: number | undefined, least: number, most: number, takes: string) => {
    const text = values[name]
    if (text === undefined) return old
    if (text === 'all') return undefined
    const value = parseQuantity(String(text))
    if (value === undefined || value < least || value > most)
      throw new CuddleError('usage', `--${name} takes ${takes}, or all; not "${text}"`)
    return value
  }
  const cpu = choose('cpus', before?.cpu, 0.1, 1024, 'a number of CPUs from 0.1 to 1024')
  const machine = Math.floor(totalmem() / 2 ** 20) * 2 ** 20
  const size = `a size like 4Gi, from 64Mi to the ${formatBytes(machine)} of this machine`
  const memoryBytes = choose('memory', before?.memoryBytes, 64 * 2 ** 20, machine, size)
  if (cpu === undefined && memoryBytes === undefined) return undefined
  return { ...(cpu !== undefined && { cpu }), ...(memoryBytes !== undefined && { memoryBytes }) }
}
