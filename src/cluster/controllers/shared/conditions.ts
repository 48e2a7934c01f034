import { rfc3339 } from '#lib'

export interface ConditionInput {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
}

/**
 * `conditions` with one set: lastTransitionTime moves only when the status changes. With `update`, lastUpdateTime is
 * kept as Deployments do: it moves whenever status or reason change. The same array comes back when nothing does.
 */
export function setCondition(
  conditions: readonly Record<string, any>[],
  input: ConditionInput,
  now: number,
  { update = false, probe = false } = {},
): readonly Record<string, any>[] {
  const current = conditions.find((condition) => condition.type === input.type)
  if (current?.status === input.status && current.reason === input.reason) {
    if (update || current.message === input.message) return conditions
  }
  const time = rfc3339(now)
  const next: Record<string, any> = {
    ...input,
    ...(probe ? { lastProbeTime: time } : {}),
    ...(update ? { lastUpdateTime: time } : {}),
    lastTransitionTime: current?.status === input.status ? current.lastTransitionTime : time,
  }
  if (!current) return [...conditions, next]
  return conditions.map((condition) => (condition === current ? next : condition))
}

export function withoutCondition(
  conditions: readonly Record<string, any>[],
  type: string,
): readonly Record<string, any>[] {
  return conditions.some((condition) => condition.type === type)
    ? conditions.filter((condition) => condition.type !== type)
    : conditions
}
