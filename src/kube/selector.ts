import { CuddleError } from '#lib'
import type { LabelSelector } from './generated/types.ts'

type Labels = Record<string, string> | undefined

const own = (labels: Labels, key: string): string | undefined =>
  labels && Object.hasOwn(labels, key) ? labels[key] : undefined

/**
 * Does a metav1.LabelSelector match these labels? An empty selector matches everything, an absent one nothing; `NotIn`
 * and `DoesNotExist` match where the key is missing (metav1.LabelSelectorAsSelector).
 */
export function matches(
  selector: LabelSelector | { matchLabels?: Record<string, string>; matchExpressions?: any[] } | undefined,
  labels: Labels,
): boolean {
  if (!selector) return false
  if (!matchesLabels(selector.matchLabels, labels)) return false
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const value = own(labels, key)
    if (operator === 'In' ? value === undefined || !values?.includes(value) : false) return false
    if (operator === 'NotIn' ? value !== undefined && values?.includes(value) : false) return false
    if (operator === 'Exists' && value === undefined) return false
    if (operator === 'DoesNotExist' && value !== undefined) return false
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) return false
  }
  return true
}

/** Does a plain map selector, as of a Service, match? An absent or empty one matches everything. */
export function matchesLabels(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (own(labels, key) !== wanted[key]) return false
  return true
}

/** The text of a selector for the `labelSelector` query: from a map of labels or a metav1.LabelSelector. */
export function labelSelector(selector: LabelSelector | Record<string, string>): string {
  const { matchLabels, matchExpressions } = isSelector(selector)
    ? selector
    : { matchLabels: selector, matchExpressions: [] }
  const terms = Object.entries(matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values } of matchExpressions ?? []) {
    if (operator === 'In') terms.push(`${key} in (${values?.join(',')})`)
    else if (operator === 'NotIn') terms.push(`${key} notin (${values?.join(',')})`)
    else if (operator === 'Exists') terms.push(key)
    else if (operator === 'DoesNotExist') terms.push(`!${key}`)
    else throw new CuddleError('invalid-selector', `label selector: "${operator}" is not a valid operator for ${key}`)
  }
  return terms.join(',')
}

function isSelector(selector: object): selector is LabelSelector {
  const { matchLabels, matchExpressions } = selector as { matchLabels?: unknown; matchExpressions?: unknown }
  return typeof matchLabels === 'object' || Array.isArray(matchExpressions)
}
