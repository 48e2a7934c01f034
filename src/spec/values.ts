import { formatBytes, formatCpu, parseDuration, parseQuantity } from '#lib'
import type { Finding } from './problems.ts'
import type { Target } from './targets.ts'

/** The value that was meant, or what is wrong with the text. */
export type Reading<T> = { value: T } | Finding

/** How many replicas: fixed when min = max. */
export interface Scale {
  min: number
  max: number
  /** What the autoscaler aims for; a number alone is per cent of the language's own signal. */
  target?: Target
}

/** Most replicas of one process; more is a typing error on one machine and a decision elsewhere. */
export const maxReplicas = 500

/** `2` or `2..10`. */
export function readScale(text: string): Reading<Scale> {
  const match = /^(\d{1,9})(?:\s*\.\.\s*(\d{1,9}))?$/.exec(text.trim())
  if (!match) return { message: `${JSON.stringify(text)} is no scale`, hint: 'write 2, or a range such as 2..10' }
  return checkScale({ min: Number(match[1]), max: Number(match[2] ?? match[1]) })
}

/** The same rules for a scale that was written as a number or a map. */
export function checkScale(scale: Scale): Reading<Scale> {
  if (!Number.isInteger(scale.min) || scale.min < 0 || !Number.isInteger(scale.max)) {
    return { message: 'scale must be whole numbers from 0 up' }
  }
  if (scale.min > scale.max) {
    return {
      message: `scale ${scale.min}..${scale.max} is the wrong way round`,
      hint: `write ${scale.max}..${scale.min}`,
    }
  }
  if (scale.min === 0 && scale.max > 0) {
    return {
      message: `scale ${scale.min}..${scale.max} begins at 0, where nothing measures any load`,
      hint: `write 1..${scale.max}, or 0 to run none`,
    }
  }
  if (scale.max > maxReplicas) return { message: `scale ${scale.max} is above ${maxReplicas}` }
  return { value: scale }
}

/** `30s`, `5m` … in whole seconds, rounded up. */
export function readDuration(text: string): Reading<number> {
  const ms = parseDuration(text.trim())
  if (ms === undefined) return { message: `${JSON.stringify(text)} is no duration`, hint: 'write 30s, 5m or 1h30m' }
  const seconds = Math.ceil(ms / 1000)
  if (seconds > 7 * 86_400) return { message: `${JSON.stringify(text)} is longer than a week` }
  return { value: seconds }
}

/** A CPU amount as a canonical quantity. */
export function readCpu(value: string | number): Reading<string> {
  const cores = parseQuantity(typeof value === 'string' ? value.trim() : value)
  if (cores === undefined) return { message: `${JSON.stringify(value)} is no CPU amount`, hint: 'write 250m, 0.5 or 2' }
  if (cores < 0.001) return { message: `${JSON.stringify(value)} is less than 1m of a CPU` }
  if (cores > 1024)
    return { message: `${JSON.stringify(value)} is more than 1024 CPUs`, hint: '250m is a quarter of one' }
  return { value: formatCpu(cores) }
}

/** A memory or storage amount as a canonical quantity, at least `least` bytes. */
export function readBytes(value: string | number, least: number, instance: string): Reading<string> {
  const text = typeof value === 'string' ? value.trim() : value
  const bytes = parseQuantity(text)
  const example = `write ${instance}`
  if (bytes === undefined) return { message: `${JSON.stringify(value)} is no amount of bytes`, hint: example }
  if (bytes < least) {
    const suffix = /^\d+m$/.test(String(text))
      ? `m means thousandths: write ${String(text).replace('m', 'Mi')}`
      : example
    return { message: `${JSON.stringify(value)} is less than ${formatBytes(least)}`, hint: suffix }
  }
  if (bytes > 2 ** 50) return { message: `${JSON.stringify(value)} is more than 1Pi` }
  const decimal = /^\d+[kMGT]$/.test(String(text))
  return { value: decimal ? String(text) : formatBytes(bytes) }
}

/** A host name for an Ingress, lower case; a leading `*.` is taken. */
export function readDomain(text: string): Reading<string> {
  const domain = text.trim().toLowerCase()
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text)
  if (/^[a-z]+:\/\//.test(domain))
    return { message: `domain ${shown} holds a scheme`, hint: 'write only the host name' }
  if (/[/?#]/.test(domain)) return { message: `domain ${shown} holds a path`, hint: 'write only the host name' }
  if (/:\d+$/.test(domain)) return { message: `domain ${shown} holds a port`, hint: 'write only the host name' }
  if (/^[\d.]+$/.test(domain)) return { message: `domain ${shown} is an address, not a name` }
  if (/[^\0-\x7f]/.test(domain) && URL.canParse(`http://${domain}`)) {
    return { message: `domain ${shown} is not in ASCII form`, hint: `write ${new URL(`http://${domain}`).hostname}` }
  }
  const labels = domain.replace(/^\*\./, '').split('.')
  const valid = labels.length > 1 && labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label))
  if (!valid || domain.length > 253) {
    return { message: `domain ${shown} is no host name`, hint: 'for example shop.example.com or *.example.com' }
  }
  return { value: domain }
}

/** Why a text is no IANA time zone, or undefined when it is one. */
export function checkTimezone(text: string): Finding | undefined {
  const finding = {
    message: `timezone ${JSON.stringify(text)} is unknown`,
    hint: 'for example Europe/Berlin or Etc/UTC',
  }
  if (text.length > 64 || !/^[A-Za-z_]+([/+-][A-Za-z0-9_+-]+)*$/.test(text) || text === 'Local') return finding
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return undefined
  } catch {
    return finding
  }
}

/** Why a text is no absolute path for a mount or a probe, or undefined when it is one. */
export function checkAbsolutePath(text: string, example: string): Finding | undefined {
  if (!text.startsWith('/') || /[\0-\x20\x7f]/.test(text) || text.split(/[/?]/).includes('..') || text.length > 1024) {
    return {
      message: `${JSON.stringify(text.slice(0, 80))} is no absolute path`,
      hint: `for example ${example}, without ..`,
    }
  }
  return undefined
}
