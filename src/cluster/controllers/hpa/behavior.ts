import type { objects } from '#kube'

/** What an autoscaler remembers of its past; times in ms since the epoch. */
export interface History {
  /** What the metrics asked for. */
  recommendations: readonly { replicas: number; at: number }[]
  /** What was done: how many replicas were added, and taken away. */
  added: readonly { change: number; at: number }[]
  removed: readonly { change: number; at: number }[]
}

export interface Limited {
  replicas: number
  /** AbleToScale's reason. */
  stabilised: 'ReadyForNewScale' | 'ScaleUpStabilized' | 'ScaleDownStabilized'
  /** ScalingLimited's reason; `DesiredWithinRange` = nothing was in the way. */
  limit: 'DesiredWithinRange' | 'TooManyReplicas' | 'TooFewReplicas' | 'ScaleUpLimit' | 'ScaleDownLimit'
  recommendations: History['recommendations']
}

type Rules = objects.HPAScalingRules
interface Bounds {
  current: number
  min: number
  max: number
}

const downStabilisation = 300

/** Brings what the metrics ask for within the windows, rates and bounds of an autoscaler. */
export function limit(
  desired: number,
  bounds: Bounds,
  behavior: objects.HorizontalPodAutoscalerBehavior | undefined,
  history: History,
  now: number,
): Limited {
  return behavior
    ? limitByRules(desired, bounds, behavior, history, now)
    : limitByDefault(desired, bounds, history, now)
}

/** Without `behavior`: up to twice as many or four at once, down to the highest recommendation of five minutes. */
function limitByDefault(desired: number, { current, min, max }: Bounds, history: History, now: number): Limited {
  const recent = history.recommendations.filter(({ at }) => at > now - downStabilisation * 1000)
  const wanted = Math.max(desired, ...recent.map(({ replicas }) => replicas))
  const rate = Math.max(2 * current, 4)
  const [most, reason] = max > rate ? ([rate, 'ScaleUpLimit'] as const) : ([max, 'TooManyReplicas'] as const)
  return {
    replicas: wanted < min ? min : Math.min(wanted, most),
    stabilised: wanted === desired ? 'ReadyForNewScale' : 'ScaleDownStabilized',
    limit: wanted < min ? 'TooFewReplicas' : wanted > most ? reason : 'DesiredWithinRange',
    recommendations: [...recent, { replicas: desired, at: now }],
  }
}

function limitByRules(
  desired: number,
  { current, min, max }: Bounds,
  { scaleUp, scaleDown }: objects.HorizontalPodAutoscalerBehavior,
  history: History,
  now: number,
): Limited {
  const windows = {
    up: (scaleUp?.stabilizationWindowSeconds ?? 0) * 1000,
    down: (scaleDown?.stabilizationWindowSeconds ?? downStabilisation) * 1000,
  }
  let [up, down] = [desired, desired]
  for (const { replicas, at } of history.recommendations) {
    if (at > now - windows.up) up = Math.min(up, replicas)
    if (at > now - windows.down) down = Math.max(down, replicas)
  }
  const wanted = Math.min(Math.max(current, up), down)
  const longest = Math.max(windows.up, windows.down)
  const recommendations = [
    ...history.recommendations.filter(({ at }) => at > now - longest),
    { replicas: desired, at: now },
  ]
  const held = desired >= current ? ('ScaleUpStabilized' as const) : ('ScaleDownStabilized' as const)
  const stabilised = wanted === desired ? ('ReadyForNewScale' as const) : held
  const common = { stabilised, recommendations }
  if (wanted > current) {
    const rate = Math.max(current, furthest(current, scaleUp, history, now, 'up'))
    const [most, reason] = max > rate ? ([rate, 'ScaleUpLimit'] as const) : ([max, 'TooManyReplicas'] as const)
    if (wanted > most) return { ...common, replicas: most, limit: reason }
  } else if (wanted < current) {
    const rate = Math.min(current, furthest(current, scaleDown, history, now, 'down'))
    const [least, reason] = min < rate ? ([rate, 'ScaleDownLimit'] as const) : ([min, 'TooFewReplicas'] as const)
    if (wanted < least) return { ...common, replicas: least, limit: reason }
  }
  return { ...common, replicas: wanted, limit: 'DesiredWithinRange' }
}

/** How far the policies let the replicas go from where they were at the start of each policy's period. */
function furthest(
  current: number,
  rules: Rules | undefined,
  { added, removed }: History,
  now: number,
  direction: 'up' | 'down',
): number {
  if (rules?.selectPolicy === 'Disabled') return current
  const policies = rules?.policies ?? defaultPolicies[direction]
  const sign = direction === 'up' ? 1 : -1
  const reaches = policies.map(({ type, value, periodSeconds }) => {
    const start = current - changeSince(added, periodSeconds, now) + changeSince(removed, periodSeconds, now)
    if (type === 'Pods') return start + sign * value
    const exact = start * (1 + (sign * value) / 100)
    return direction === 'up' ? Math.ceil(exact - 1e-9) : Math.trunc(exact + 1e-9)
  })
  // The policy that changes most wins, unless Min asks for the one that changes least.
  const most = rules?.selectPolicy !== 'Min'
  return most === (direction === 'up') ? Math.max(...reaches) : Math.min(...reaches)
}

const defaultPolicies: Record<'up' | 'down', objects.HPAScalingPolicy[]> = {
  up: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
  down: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
}

function changeSince(events: History['added'], seconds: number, now: number): number {
  return events.reduce((sum, { change, at }) => (at > now - seconds * 1000 ? sum + change : sum), 0)
}
