import type { PodSignals } from './store.ts'
import { namesIn, readingOf, signalNamed } from './vocabulary.ts'

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** All signals in Prometheus' text format, each with the app, process, pod and node it is of. */
export function prometheusText(pods: readonly PodSignals[]): string {
  const lines: string[] = []
  for (const name of namesIn(pods)) {
    const signal = signalNamed(name)
    const rows = pods.flatMap((pod) => {
      const value = readingOf(signal, pod)
      return value === undefined ? [] : [`${name}{${labelsOf(pod)}} ${value}`]
    })
    if (rows.length === 0) continue
    lines.push(`# HELP ${name} ${signal.help}`, `# TYPE ${name} gauge`, ...rows)
  }
  const up = pods.map((pod) => `beam_up{${labelsOf(pod)}} ${pod.sample ? 1 : 0}`)
  if (up.length > 0) {
    lines.push('# HELP beam_up Whether the node answered within the last seconds.', '# TYPE beam_up gauge', ...up)
  }
  return lines.map((line) => `${line}\n`).join('')
}

function labelsOf({ origin }: PodSignals): string {
  const { app, process, pod, node } = origin
  return Object.entries({ app, process, pod, node })
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}
