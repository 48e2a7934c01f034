import { parseQuantity } from '#lib'
import type { Reading } from './values.ts'

/**
 * What an autoscaler aims for, each as an average over the pods of a process: `utilisation`, `cpu` and `memory` in per cent,
 * anything else a plain number. A number alone is per cent of what the language is scaled by when nothing is said.
 */
export type Target = number | Record<string, number>

/** Most per cent that make sense: CPU may be used beyond what is requested, the others end at all there is. */
const percentages: Record<string, number> = { utilisation: 100, memory: 100, cpu: 1000 }

export const mostTargets = 5

/** `60%` or `60`. */
export function readPercent(value: string | number, most = 100): Reading<number> {
  const match = /^(\d{1,6})\s*%?$/.exec(String(value).trim())
  const percent = Number(match?.[1])
  if (!match || percent < 1 || percent > most) {
    return { message: `${JSON.stringify(value)} is no target`, hint: `write a share from 1% to ${most}%` }
  }
  return { value: percent }
}

/** The target of one signal. */
export function readTarget(name: string, value: string | number): Reading<number> {
  if (Object.hasOwn(percentages, name)) return readPercent(value, percentages[name])
  const number = parseQuantity(typeof value === 'string' ? value.trim() : value)
  if (number === undefined || number < 0.001) {
    const hint = 'write the number that a pod is to have on average: 100, 0.5, 2k'
    return { message: `${JSON.stringify(value)} is no target for ${name}`, hint }
  }
  return { value: number }
}

/** A signal's name: one of ours, or what the app publishes it as. */
export function checkSignalName(name: string): { message: string; hint?: string } | undefined {
  if (name === 'utilization') return { message: 'unknown signal utilization', hint: 'did you mean utilisation?' }
  if (/^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/.test(name)) return undefined
  return { message: `${JSON.stringify(name.slice(0, 80))} is no signal`, hint: 'letters, digits and _, at most 63' }
}
