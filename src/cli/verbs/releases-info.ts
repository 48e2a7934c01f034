import { CuddleError } from '#lib'
import {
  failureLines,
  getApp,
  getRelease,
  hotLines,
  listProcesses,
  listReleases,
  releaseConfig,
  servingRelease,
} from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command } from '../command.ts'
import { connect } from '../connect.ts'

/** `v7` or `7` as a number. */
export function releaseNumber(word: string): number {
  const match = /^v?(\d{1,9})$/.exec(word)
  if (!match)
    throw new CuddleError('usage', `"${word}" is no release`, {
      hint: 'a release is a number like v7; cuddle releases lists them',
    })
  return Number(match[1])
}

export default {
  summary: 'Shows what a release is made of; for one that failed, why.',
  usage: '[vN]',
  positionals: [0, 1],
  options: appOption,
  examples: ['cuddle releases:info', 'cuddle releases:info v7 --json'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    const app = await getApp(context, name)
    const word = invocation.positionals[0]
    const release = word ? await getRelease(context, name, releaseNumber(word)) : (await listReleases(context, name))[0]
    if (!release) throw new CuddleError('no-release', `${name} has no releases yet`)
    const { spec, status } = release
    const variables = Object.keys(await releaseConfig(context, release)).sort()
    if (out.json) {
      out.data({
        ...spec,
        objects: spec.objects.map((object: any) => `${object.kind}/${object.metadata.name}`),
        config: variables,
        status,
        created: release.metadata.creationTimestamp,
      })
      return 0
    }
    const fact = (label: string, value: string | undefined) => value && out.print(`${label.padEnd(10)} ${value}`)
    out.print(
      out.style('bold', `${name} v${spec.number}`) +
        (app.status?.currentRelease === spec.number ? out.style('green', ' (current)') : ''),
    )
    fact('what', spec.cause.message)
    fact('by', [spec.cause.user, spec.cause.author].filter(Boolean).join(', '))
    fact('commit', spec.cause.commit)
    fact('created', release.metadata.creationTimestamp)
    fact('state', `${status?.phase ?? 'Pending'}${status?.message ? `: ${status.message}` : ''}`)
    fact('image', spec.image)
    fact('config', variables.join(' '))
    const processes = (spec.spec as { processes?: Record<string, { command?: string }> } | undefined)?.processes ?? {}
    for (const [process, { command }] of Object.entries(processes)) fact(process, command)
    fact('objects', spec.objects.map((object: any) => `${object.kind}/${object.metadata.name}`).join(' '))
    if (spec.number === app.status?.currentRelease) {
      for (const row of (await listProcesses(context, name)).filter(({ process }) => process in processes)) {
        const code = row.release === undefined ? 'unknown' : `${row.hot ? 'hot-loaded ' : ''}v${row.release}`
        fact('pod', `${row.pod}: ${code}`)
      }
    }
    if (status?.hot) {
      out.print()
      for (const line of hotLines(status.hot, `v${spec.number}`)) out.print(line)
    }
    if (status?.failure) {
      out.print()
      const serving = await servingRelease(context, name)
      for (const line of failureLines(status.failure, `${name} v${spec.number}`, serving)) out.print(line)
    }
    return 0
  },
} satisfies Command
