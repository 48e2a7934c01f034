import type { Finding, Problem } from './problems.ts'

/** Longest app name. With the longest process name it still fits CronJob names (52) and DNS labels (63). */
export const maxAppName = 30
/** Longest process or cron name. */
export const maxProcessName = 20

const reservedApps = new Set([
  'admin',
  'api',
  'apps',
  'constructor',
  'dashboard',
  'default',
  'git',
  'healthz',
  'kubernetes',
  'localhost',
  'login',
  'metrics',
  'registry',
  'status',
  'system',
  'www',
])
const reservedPrefixes = ['kube-', 'cuddle']
// `constructor` is the one DNS label that every JavaScript object seems to have.
const reservedProcesses = new Set(['release', 'run', 'build', 'console', 'nodes', 'env', 'cookie', 'constructor'])

/**
 * Why a text cannot name an app, or undefined when it can. An app's name becomes a Namespace, a Service prefix and a host
 * name, so it is a DNS-1035 label (RFC 1035 §2.3.1) of at most 30 characters.
 */
export function checkAppName(name: string): Finding | undefined {
  const label = checkLabel('app name', name, maxAppName)
  if (label) return label
  if (reservedApps.has(name) || reservedPrefixes.some((prefix) => name.startsWith(prefix))) {
    return { message: `app name ${name} is reserved`, hint: `choose another, for example my-${name}`.slice(0, 80) }
  }
  return undefined
}

/** Like checkAppName, as a Problem without a place. */
export function validAppName(name: string): Problem | undefined {
  const finding = checkAppName(name)
  return finding && { ...finding, path: 'app', file: '', line: 0, column: 0 }
}

/** Why a text cannot name a process or a cron entry, or undefined when it can. */
export function checkProcessName(name: string): Finding | undefined {
  const label = checkLabel('process name', name, maxProcessName)
  if (label) return label
  if (reservedProcesses.has(name)) {
    const hint = name === 'release' ? 'the release phase is the top-level key release' : undefined
    return { message: `process name ${name} is reserved`, ...(hint ? { hint } : {}) }
  }
  return undefined
}

/** Why a text cannot name an environment, add-on …, or undefined when it can. */
export function checkLabel(what: string, name: string, max: number): Finding | undefined {
  if (typeof name !== 'string' || name === '') return { message: `${what} is empty` }
  const shown = JSON.stringify(name.length > 70 ? `${name.slice(0, 67)}…` : name)
  if (name.length > max) return { message: `${what} ${shown} is longer than ${max} characters` }
  if (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name)) return undefined
  const suggestion = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
  return {
    message: `${what} ${shown} is not a DNS label: lower-case letters, digits and -, a letter first, no - at the end`,
    ...(suggestion && suggestion !== name ? { hint: `for example ${suggestion}` } : {}),
  }
}

const platformVariables = new Set(['PORT', 'POD_IP', '__proto__'])

/** Why a text cannot name a config var, or undefined when it can: POSIX names only, and not what the platform sets itself. */
export function checkConfigName(name: string): Finding | undefined {
  const shown = JSON.stringify(name.length > 70 ? `${name.slice(0, 67)}…` : name)
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return { message: `${shown} is no name for a variable: letters, digits and _, not a digit first` }
  }
  if (name.length > 253) return { message: `variable name ${shown} is longer than 253 characters` }
  if (platformVariables.has(name)) return { message: `${name} is set by the platform and cannot be changed` }
  return undefined
}
