import { isObject, LineSplitter } from '#lib'
import { type HttpOptions, open } from './http.ts'
import type { WatchEvent } from './types.ts'

/** The events of one watch; ends quietly when the signal aborts. One generator and no more: each takes turns for every event. */
export async function* events(
  options: HttpOptions,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchEvent<any>> {
  const splitter = new LineSplitter()
  try {
    const { body } = await open(options, 'GET', path, { signal })
    for await (const chunk of body) {
      for (const line of splitter.push(chunk)) if (line !== '') yield watchEvent(line)
    }
    for (const line of splitter.end()) yield watchEvent(line)
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

function watchEvent(line: string): WatchEvent<any> {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch (error) {
    throw new Error('the watch stream was cut within an event', { cause: error })
  }
  if (!isObject(event) || typeof event['type'] !== 'string' || !isObject(event['object']))
    throw new Error('the watch stream holds something that is no event')
  return event as unknown as WatchEvent<any>
}
