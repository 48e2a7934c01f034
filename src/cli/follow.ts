import { type Context, expectLive, followRelease, type ReleaseObject } from '#platform'
import type { Invocation, Option } from './command.ts'

export const waitOption: Record<string, Option> = {
  'no-wait': { type: 'boolean', describe: 'do not wait until it is live' },
}

/** Shows a release going live, and says how it ended. */
export async function follow(
  invocation: Invocation,
  context: Context,
  app: string,
  release: ReleaseObject,
): Promise<number> {
  const { out } = invocation
  const { number, cause } = release.spec
  if (!out.json) out.note(`${app} v${number}: ${cause.message}`)
  if (invocation.values['no-wait']) {
    out.data({ app, release: number, phase: 'Pending' })
    return 0
  }
  const ended = await followRelease(
    context,
    app,
    number,
    (line) => out.json || out.busy(line.trim()),
    invocation.signal,
  )
  out.done()
  const live = await expectLive(context, app, ended)
  if (out.json) out.data({ app, release: number, phase: live.status?.phase })
  else out.print(`${app} v${number} is ${out.style('green', 'live')}`)
  return 0
}

/** Says that another release is under way, while its end is waited for. */
export function waiting(invocation: Invocation): { onWait(number: number): void; signal: AbortSignal } {
  return {
    onWait: (number) => invocation.out.json || invocation.out.busy(`waiting for v${number} to end`),
    signal: invocation.signal,
  }
}
