import { ApiError, type KubeObject, type objects, Pod } from '#kube'
import { CuddleError } from '#lib'
import type { Context } from './context.ts'
import { labels } from './kinds.ts'
import { processOf } from './processes.ts'
import { getApp } from './releases.ts'

export interface LogLine {
  /** RFC 3339 with nanoseconds. */
  time: string
  process: string
  pod: string
  text: string
}

export interface LogRequest {
  process?: string
  /** Lines per pod. @default 100 */
  lines?: number
  follow?: boolean
  signal?: AbortSignal
}

/**
 * The log lines of an app's pods: without `follow` merged by time, with it as they come, new pods included.
 * @throws CuddleError `no-process` when nothing of that name runs
 */
export async function* appLogs(context: Context, app: string, request: LogRequest): AsyncGenerator<LogLine> {
  await getApp(context, app)
  const labelSelector = request.process
    ? `${labels.app}=${app},${labels.process}=${request.process}`
    : `${labels.app}=${app}`
  const { items, metadata } = await context.kube.listAll(Pod, { namespace: app, labelSelector })
  if (items.length === 0 && !request.follow) {
    throw new CuddleError(
      'no-process',
      request.process ? `no pod of ${app} runs "${request.process}"` : `${app} has no pods`,
      { hint: `cuddle ps -a ${app}` },
    )
  }
  if (!request.follow) {
    const lines: LogLine[] = []
    for (const pod of items) for await (const line of podLines(context, pod, request)) lines.push(line)
    lines.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    yield* request.lines === undefined ? lines : lines.slice(-request.lines)
    return
  }
  yield* followAll(context, app, labelSelector, items, metadata.resourceVersion, request)
}

const ended = 'ended'

async function* followAll(
  context: Context,
  app: string,
  labelSelector: string,
  first: (objects.Pod & KubeObject)[],
  resourceVersion: string | undefined,
  request: LogRequest,
): AsyncGenerator<LogLine> {
  const stop = new AbortController()
  const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal
  const queue: LogLine[] = []
  let wake = Promise.withResolvers<void>()
  const push = (line: LogLine) => {
    queue.push(line)
    wake.resolve()
  }
  // Per container start: the time of the last line that was passed on, so that a stream that broke resumes without repeating.
  const seen = new Map<string, string>()
  const running = new Set<string>()
  const tail = async (pod: objects.Pod & KubeObject, lines: number | undefined) => {
    const key = `${pod.metadata.uid}/${pod.status?.containerStatuses?.[0]?.restartCount ?? 0}`
    if (running.has(key) || seen.get(key) === ended) return
    running.add(key)
    const after = seen.get(key) ?? ''
    try {
      for await (const line of podLines(context, pod, { ...request, lines: after ? undefined : lines, signal })) {
        if (line.time <= after) continue
        seen.set(key, line.time)
        push(line)
      }
      seen.set(key, ended)
    } catch {
      // The stream broke: the next event of the pod takes it up again.
    } finally {
      running.delete(key)
    }
  }
  const started = (pod: objects.Pod) => pod.status?.containerStatuses?.some((status) => status.state?.running) ?? false
  for (const pod of first) if (started(pod)) void tail(pod, request.lines ?? 20)
  const watching = (async () => {
    let version = resourceVersion
    while (!signal.aborted) {
      try {
        for await (const event of context.kube.watch(Pod, {
          namespace: app,
          labelSelector,
          resourceVersion: version,
          signal,
        })) {
          if (event.type === 'ERROR') {
            version = undefined
            break
          }
          version = event.object.metadata.resourceVersion
          if ((event.type === 'ADDED' || event.type === 'MODIFIED') && started(event.object))
            void tail(event.object, undefined)
        }
      } catch {
        await context.clock.sleep(500, signal)
      }
    }
    wake.resolve()
  })()
  try {
    while (!signal.aborted || queue.length > 0) {
      while (queue.length > 0) yield queue.shift()!
      if (signal.aborted) break
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
  } finally {
    stop.abort()
    await watching
  }
}

async function* podLines(
  context: Context,
  pod: objects.Pod & KubeObject,
  request: LogRequest,
): AsyncGenerator<LogLine> {
  const process = processOf(pod)
  const options = {
    follow: request.follow,
    tailLines: request.lines ?? (request.follow ? undefined : 100),
    timestamps: true,
    signal: request.signal,
  }
  try {
    for await (const line of context.kube.logs(pod.metadata.name!, pod.metadata.namespace!, {
      ...options,
      container: pod.spec?.containers[0]?.name,
    })) {
      const space = line.indexOf(' ')
      yield { time: line.slice(0, space), process, pod: pod.metadata.name!, text: line.slice(space + 1) }
    }
  } catch (error) {
    // A pod that has not started has no log yet.
    if (!(error instanceof ApiError && (error.code === 400 || error.code === 404))) throw error
  }
}
