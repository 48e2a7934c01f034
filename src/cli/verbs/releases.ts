import { CuddleError, humanAge } from '#lib'
import { getApp, listReleases } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Lists the releases of an app, newest first.',
  options: { ...appOption, lines: { type: 'string', short: 'n', value: 'N', describe: 'at most N (default 15)' } },
  examples: ['cuddle releases', 'cuddle releases -n 50 --json'],
  async run(invocation) {
    const { out } = invocation
    const lines = Number(invocation.values.lines ?? 15)
    if (!(Number.isInteger(lines) && lines >= 0))
      throw new CuddleError('usage', `-n needs a whole number, not "${invocation.values.lines}"`)
    const context = connect(invocation)
    const name = await appName(invocation)
    const app = await getApp(context, name)
    const current = app.status?.currentRelease
    const releases = (await listReleases(context, name)).slice(0, lines)
    if (out.json) {
      out.data(
        releases.map((release) => ({
          version: release.spec.number,
          current: release.spec.number === current,
          phase: release.status?.phase ?? 'Pending',
          cause: release.spec.cause,
          image: release.spec.image,
          message: release.status?.message,
          created: release.metadata.creationTimestamp,
        })),
      )
      return 0
    }
    out.table(
      ['v', 'state', 'what', 'who', 'age'],
      releases.map((release) => {
        const phase = release.status?.phase ?? 'Pending'
        const state =
          release.spec.number === current
            ? out.style('green', 'current')
            : phase === 'Failed'
              ? out.style('red', 'failed')
              : phase === 'Succeeded'
                ? ''
                : out.style('yellow', phase)
        const age = humanAge(context.clock.now() - Date.parse(release.metadata.creationTimestamp!))
        return [`v${release.spec.number}`, state, release.spec.cause.message, whoOf(release.spec.cause), age]
      }),
    )
    return 0
  },
} satisfies Command

/** Who wrote what was deployed; of anything else who asked for it. */
function whoOf({ kind, author, user }: { kind: string; author?: string; user?: string }): string {
  return (kind === 'push' ? author?.replace(/\s*<.*$/, '') : undefined) ?? user ?? ''
}
