import type { HotStatus } from '../kinds.ts'

const readable = (module: string) => module.replace(/^Elixir\./, '')
const count = (number: number, one: string, many = `${one}s`) =>
  `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`
const milliseconds = (ms: number) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`)

const fates = {
  lost: 'does not answer: it goes back by itself, or has ended and starts again with',
  replaced: 'may be neither old nor new, and is replaced by a new pod with',
}

function named(label: string, modules: readonly string[] = []): string[] {
  if (modules.length === 0) return []
  const shown = modules.slice(0, 8).map(readable).join(', ')
  return [`       ${label} ${shown}${modules.length > 8 ? ` and ${modules.length - 8} more` : ''}`]
}

/**
 * A hot rollout so far, for people. Later states of the same rollout begin with the lines of earlier ones.
 * @param release `v4`
 */
export function hotLines(hot: HotStatus | undefined, release: string): string[] {
  if (!hot) return []
  const { state, pods = [], changed = [], added = [], removed = [], reasons = [], notes = [] } = hot
  if (state === 'rolling' && !hot.attempts) {
    return [
      '-----> With new pods, for it cannot be loaded into the running ones:',
      ...reasons.map((line) => `       - ${line}`),
    ]
  }
  const lines = [`-----> Loading ${release} into ${count(pods.length, 'running pod')}`]
  lines.push(...named('changed: ', changed), ...named('new:     ', added), ...named('removed: ', removed))
  if (changed.length + added.length + removed.length === 0) lines.push('       no module differs')
  lines.push(...notes.map((note) => `       note: ${note}`))
  if (state === 'committed') {
    const width = Math.max(...pods.map(({ pod }) => pod.length))
    for (const { pod, loaded, processes = 0, suspendedMs, problems = [] } of pods) {
      if (!loaded) lines.push(`       ✗ ${pod.padEnd(width)}  is replaced by a new pod`)
      else if (processes === 0) lines.push(`       ✓ ${pod.padEnd(width)}  no process to upgrade`)
      else
        lines.push(
          `       ✓ ${pod.padEnd(width)}  ${count(processes, 'process', 'processes')} upgraded, suspended for ${milliseconds(suspendedMs ?? 0)}`,
        )
      lines.push(...problems.map((problem) => `         ${problem}`))
    }
  } else if (state === 'aborted') {
    const odd = pods.filter(({ left }) => left)
    const whose = odd.length === 0 ? 'on all pods: every process' : ': every process of the other pods'
    lines.push(`       taken back${odd.length === 0 ? ' ' : ''}${whose} has its old code and state`)
    for (const { pod, left, problems = [] } of odd) {
      lines.push(`       ✗ ${pod}  ${fates[left!]} v${hot.from}`, ...problems.map((problem) => `         ${problem}`))
    }
  } else if (state === 'stuck') {
    lines.push(
      `       it cannot be taken back: new pods with v${hot.from} take the place of ${pods.map(({ pod }) => pod).join(', ')}`,
    )
  } else if (state === 'rolling') {
    lines.push('-----> With new pods instead:', ...reasons.map((line) => `       - ${line}`))
  }
  return lines
}
