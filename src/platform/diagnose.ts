import { Event, type Kube, type KubeObject, type objects } from '#kube'
import type { Failure } from './kinds.ts'
import type { Rollout } from './rollout.ts'
import { lastSeen } from './stateful/refusals.ts'

const logLines = 15

/** What is known about a failed pod, as read from the cluster. */
export interface Evidence {
  logs: string[]
  events: string[]
}

/** Reads the last log lines and the warnings of a pod; what cannot be read is left out, never an error. */
export async function gather(kube: Kube, pod: objects.Pod & KubeObject): Promise<Evidence> {
  const { name, namespace } = { name: pod.metadata.name!, namespace: pod.metadata.namespace! }
  const read = async (previous: boolean) => {
    const lines: string[] = []
    try {
      for await (const line of kube.logs(name, namespace, {
        tailLines: logLines,
        previous,
        container: pod.spec?.containers[0]?.name,
      }))
        lines.push(insideImage(line))
    } catch {
      return []
    }
    return lines
  }
  const current = await read(false)
  const logs = current.length > 0 ? current : await read(true)
  // By name alone they would be those of an earlier pod of a StatefulSet, too.
  const found = await kube
    .list(Event, { namespace, fieldSelector: `involvedObject.uid=${pod.metadata.uid}` })
    .then(({ items }) => items.sort((one, other) => (lastSeen(one) < lastSeen(other) ? -1 : 1)))
    .catch(() => [])
  const warnings = found.filter((event) => event.type === 'Warning').map((event) => `${event.reason}: ${event.message}`)
  return { logs: logs.slice(-logLines), events: [...new Set(warnings)].slice(-4) }
}

/** A node that runs pods in place shows them its own paths, long ones: what counts is the path inside the image. */
function insideImage(line: string): string {
  return line.replaceAll(/(?:\/[^\s/:]+)+\/rootfs\/[0-9a-f]{64}(?=\/)/g, '')
}

/** The report of a failed rollout: a pure function of what was seen. */
export function report(failed: Extract<Rollout, { state: 'failed' }>, evidence: Evidence, app: string): Failure {
  const status = failed.pod?.status?.containerStatuses?.[0]
  // How a container ended that was killed for its probe says nothing; the probe's reply does.
  const ended = failed.reason === 'probe' ? undefined : (status?.state?.terminated ?? status?.lastState?.terminated)
  // Of a process that ended by itself a probe says nothing new.
  const probe =
    failed.reason === 'crash' || failed.reason === 'oom' ? undefined : lastProbe(failed.pod, evidence.events)
  return {
    reason: failed.reason === 'deadline' && probe ? 'probe' : failed.reason,
    message: failed.message,
    process: failed.process,
    pod: failed.pod?.metadata.name,
    exitCode: ended?.exitCode,
    signal: ended?.signal,
    probe,
    logs: evidence.logs,
    events: evidence.events.filter((line) => !/^(Unhealthy|BackOff|MissingClusterDNS|DNSConfigForming):/.test(line)),
    cause: likelyCause(failed, evidence.logs.join('\n'), probe, failed.pod),
    next: nextCommand(failed, app, missingVariable(evidence.logs.join('\n'))),
  }
}

function lastProbe(pod: (objects.Pod & KubeObject) | undefined, events: string[]): string | undefined {
  const event = events.findLast((line) => line.startsWith('Unhealthy:'))
  if (event) return event.slice('Unhealthy: '.length)
  const message = pod?.status?.conditions?.find((condition) => condition.type === 'Ready')?.message
  return message && /probe/i.test(message) ? message : undefined
}

/** The guess that saves the most people the most time, in order of how telling the sign is. */
function likelyCause(
  failed: Extract<Rollout, { state: 'failed' }>,
  logs: string,
  probe: string | undefined,
  pod: objects.Pod | undefined,
): string | undefined {
  const missing = missingVariable(logs)
  if (missing) return `the config var ${missing} is missing`
  if (/eaddrinuse|address already in use/i.test(logs)) return 'it listens on a port that is taken; listen on $PORT'
  if (failed.reason === 'oom') {
    const limit = pod?.spec?.containers?.[0]?.resources?.limits?.memory
    return `it needs more memory than its size allows${limit ? `, which is ${limit}` : ''}`
  }
  if (failed.reason === 'image') return 'the image is not where the node looks for it'
  if (failed.reason === 'config') return 'a ConfigMap, Secret or key that the pod refers to does not exist'
  const module = /Cannot find (?:module|package) '([^']+)'/.exec(logs)?.[1]
  if (failed.reason === 'crash' && module) {
    return /^[./]|^file:/.test(module)
      ? `the file ${module} is not in the image: is it committed, and spelt right?`
      : `the module ${module} is not in the image: it belongs into "dependencies" of package.json`
  }
  const command = /(?:not found|No such file or directory|Permission denied)/.exec(logs)
  const status = pod?.status?.containerStatuses?.[0]
  const ended = status?.state?.terminated ?? status?.lastState?.terminated
  if (
    ended?.exitCode === 127 ||
    ended?.exitCode === 126 ||
    (ended?.exitCode === 128 && ended.reason === 'StartError') ||
    (failed.reason === 'crash' && command && /sh:/.test(logs))
  ) {
    return 'the command cannot be run: is it in the image, and spelt right?'
  }
  if (probe) {
    const health = /statuscode: (\d+)/i.exec(probe)?.[1]
    const path = pod?.spec?.containers?.[0]?.startupProbe?.httpGet?.path
    if (health) return `${path ?? 'the health check'} answers ${health}; it has to answer 200 to 399 when all is well`
    if (/refused/i.test(probe)) {
      const other = otherPort(logs, pod)
      const wrong = other ? `its log speaks of port ${other}, but ` : ''
      return `${wrong}nothing listens on $PORT; the app must bind 0.0.0.0 (or $HOST) and the port in $PORT`
    }
    if (/no answer|timeout|deadline exceeded/i.test(probe))
      return 'the health check gets no answer in time: the app hangs, or `health` in cuddle.yaml is too impatient'
  }
  if (failed.reason === 'refused') {
    const quota = quotaIn(failed.message)
    return quota && `the quota ${quota} has no room for another pod, and a rollout needs new pods beside the old ones`
  }
  if (failed.reason === 'unschedulable') return 'the cluster is full: scale down, or choose a smaller size'
  if (failed.reason === 'crash' && ended?.exitCode === 0)
    return 'the process ended by itself; a web or worker process must keep running'
  if (failed.reason === 'crash')
    return logs.trim() === ''
      ? 'it crashes while starting, before it says anything'
      : 'it crashes while starting; its last lines say where'
  return undefined
}

/** The quota that a refusal names, in the words of Kubernetes' admission. */
function quotaIn(message: string): string | undefined {
  return /exceeded quota: ([^,\s]+)/.exec(message)?.[1]
}

/** A port that a log says is listened on, when it is not the one that the pod was given. */
function otherPort(logs: string, pod: objects.Pod | undefined): string | undefined {
  const found = /listen[^\n]*?(?:port |:)(\d{2,5})\b|(?:running|server|started)[^\n]*?(?:port |:)(\d{4,5})\b/i.exec(
    logs,
  )
  const port = found?.[1] ?? found?.[2]
  const own = pod?.spec?.containers?.[0]?.ports?.some((item) => String(item.containerPort) === port)
  return own ? undefined : port
}

/** The variable that a log complains about, in the words of Elixir's System.fetch_env! and of most people. */
function missingVariable(logs: string): string | undefined {
  const found =
    /environment variable ["'`]?([A-Z][A-Z0-9_]{2,})["'`]? (?:is missing|not set|is not set)/i.exec(logs) ??
    /could not fetch environment variable ["'`]?([A-Z][A-Z0-9_]{2,})/i.exec(logs) ??
    /([A-Z][A-Z0-9_]{2,}) (?:is missing|is not set|is not defined|must be set|is required)/.exec(logs) ??
    /missing (?:required )?(?:environment|env|config) var(?:iable)?s?:? ["'`]?([A-Z][A-Z0-9_]{2,})/i.exec(logs) ??
    /(?:KeyError: |key not found: )["'`:]([A-Z][A-Z0-9_]{2,})/.exec(logs)
  return found?.[1]
}

function nextCommand(failed: Extract<Rollout, { state: 'failed' }>, app: string, missing: string | undefined): string {
  if (missing) return `cuddle config:set -a ${app} ${missing}=…, then push again`
  switch (failed.reason) {
    case 'oom':
      return `set a larger size for ${failed.process} in cuddle.yaml, then push again`
    case 'refused': {
      const quota = quotaIn(failed.message)
      const look = quota ? `kubectl -n ${app} describe quota ${quota}` : `kubectl -n ${app} get events`
      return `${look}; then push again`
    }
    case 'unschedulable':
      return `cuddle ps -a ${app}`
    default:
      return `fix it and push again; cuddle releases:info -a ${app} shows this report`
  }
}

const signals: Record<number, string> = {
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
}

/** Exit codes above 128 are signals, in the way of shells and container runtimes. */
function signalOf({ exitCode = 0, signal }: Failure): string {
  const number = signal ?? (exitCode > 128 ? exitCode - 128 : 0)
  return signals[number] ? ` (${signals[number]})` : number > 0 && number < 65 ? ` (signal ${number})` : ''
}

/** The report as lines for a terminal or git's `remote:`. */
export function failureLines(failure: Failure, release: string, serving: string | undefined): string[] {
  const lines = [`!     ${release} failed: ${failure.message}`]
  const fact = (name: string, value: string | number | undefined) => {
    if (value === undefined || value === '') return
    // What a probe or an event repeats of an app's answer can be a whole page.
    const text = String(value).replace(/\s+/g, ' ')
    lines.push(`        ${`${name}:`.padEnd(14)}${text.length > 240 ? `${text.slice(0, 240)}…` : text}`)
  }
  fact('process', failure.process)
  fact('pod', failure.pod)
  if (failure.exitCode !== undefined) fact('exit code', `${failure.exitCode}${signalOf(failure)}`)
  fact('probe', failure.probe)
  for (const event of failure.events ?? []) fact('event', event)
  if (failure.logs && failure.logs.length > 0) {
    lines.push('        last log lines:')
    for (const line of failure.logs.filter((text) => text.trim() !== ''))
      lines.push(`          ${line.length > 240 ? `${line.slice(0, 240)}…` : line}`)
  }
  fact('likely cause', failure.cause)
  fact('next', failure.next)
  const before =
    failure.reason === 'release-command'
      ? 'Nothing was rolled out'
      : failure.reason === 'hot'
        ? failure.pod
          ? 'Taken back'
          : 'Taken back, state untouched'
        : failure.reason === 'hot-stuck'
          ? 'Taken back with new pods, their state is lost'
          : 'Rolled back'
  lines.push(
    serving
      ? `!     ${before}: ${serving} is still serving.`
      : '!     Nothing is running: there was no earlier release.',
  )
  return lines
}
