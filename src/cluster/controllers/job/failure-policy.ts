import { getCondition, type objects } from '#kube'

export type FailureAction = 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'

const actions = new Set<string | undefined>(['FailJob', 'FailIndex', 'Ignore'])

/** What a Job's podFailurePolicy says about a failed pod: the first rule that matches decides, else it counts. */
export function failureAction(job: objects.Job, pod: objects.Pod): { action: FailureAction; message?: string } {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const exit = rule.onExitCodes && exitMatch(rule.onExitCodes, pod)
    const condition = rule.onPodConditions?.find(
      ({ type, status }) => getCondition(pod, type)?.status === (status ?? 'True'),
    )
    if (!exit && !condition) continue
    const action = actions.has(rule.action) ? (rule.action as FailureAction) : 'Count'
    if (action !== 'FailJob') return { action }
    const what = exit
      ? `Container ${exit.container} for pod ${name} failed with exit code ${exit.code}`
      : `Pod ${name} has condition ${condition!.type}`
    return { action, message: `${what} matching FailJob rule at index ${index}` }
  }
  return { action: 'Count' }
}

function exitMatch(
  rule: { containerName?: string; operator: string; values: number[] },
  pod: objects.Pod,
): { container: string; code: number } | undefined {
  for (const { name, state } of [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
  ]) {
    const code = state?.terminated?.exitCode
    if (!code || (rule.containerName && rule.containerName !== name)) continue
    if (rule.values.includes(code) === (rule.operator === 'In')) return { container: name, code }
  }
  return undefined
}
