import { existsSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { CuddleError, exec, writeFileAtomic } from '#lib'
import { appUrl, createApp, getApp, platformToken, readSettings } from '#platform'
import type { Command, Invocation } from '../command.ts'
import { connect } from '../connect.ts'
import { paths } from '../home.ts'

export default {
  summary: 'Makes an app, and connects the git repository of this folder to it.',
  usage: '[NAME]',
  describe:
    'Adds the remote "cuddle" and the credential for it, so that `git push cuddle main` deploys.\nThe name becomes the address: http://NAME.localhost. Without one, the folder\'s name is taken.',
  positionals: [0, 1],
  options: {
    connect: { type: 'boolean', describe: 'connect this repository to an app that exists already' },
  },
  examples: ['cuddle create shop', 'cuddle create shop --connect'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = invocation.positionals[0] ?? basename(invocation.cwd)
    if (invocation.values.connect) await getApp(context, name)
    else await createApp(context, name)
    const settings = await readSettings(context.kube)
    const remote = `${settings.platformUrl}/${name}.git`
    writeCredential(invocation, settings.platformUrl, await platformToken(context.kube))
    const connected = await connectRepository(invocation, remote)
    const url = appUrl(name, settings)
    if (out.json) {
      out.data({ name, url, remote, connected })
      return 0
    }
    out.print(`${invocation.values.connect ? 'connected to' : 'created'} ${out.style('bold', name)}: ${url}`)
    if (connected) out.print(`next: ${out.style('cyan', 'git push cuddle main')}`)
    else {
      out.print(`this folder is no git repository; next: ${out.style('cyan', `cuddle deploy -a ${name}`)}`)
      out.print(`or git init, and ${out.style('cyan', `cuddle create ${name} --connect`)}`)
    }
    return 0
  },
} satisfies Command

/** A git config file that only its owner reads; repositories include it, so that no token stands in them or in any argv. */
function writeCredential(invocation: Invocation, url: string, token: string): void {
  mkdirSync(invocation.home, { recursive: true, mode: 0o700 })
  const user = (invocation.env.CUDDLE_USER || invocation.env.USER || 'git').replace(/[^A-Za-z0-9._-]/g, '')
  const basic = Buffer.from(`${user}:${token}`).toString('base64')
  writeFileAtomic(
    paths(invocation.home).gitConfig,
    `[http "${url}/"]\n\textraHeader = Authorization: Basic ${basic}\n`,
    0o600,
  )
}

async function connectRepository(invocation: Invocation, remote: string): Promise<boolean> {
  const env = { PATH: invocation.env.PATH, HOME: invocation.env.HOME }
  const git = async (...args: string[]) => {
    try {
      return await exec('git', args, { cwd: invocation.cwd, env })
    } catch (error) {
      throw new CuddleError('no-git', 'git is not on PATH', { hint: 'install git, or use cuddle deploy', cause: error })
    }
  }
  if ((await git('rev-parse', '--git-dir')).code !== 0) return false
  const existing = await git('remote', 'get-url', 'cuddle')
  const { code, stderr } =
    existing.code === 0
      ? await git('remote', 'set-url', 'cuddle', remote)
      : await git('remote', 'add', 'cuddle', remote)
  const before = existing.stdout.trim()
  if (existing.code === 0 && before !== remote) invocation.out.note(`the remote "cuddle" led to ${before} before`)
  if (code !== 0) throw new CuddleError('git', `git could not add the remote: ${stderr.trim()}`)
  const include = paths(invocation.home).gitConfig
  const included = await git('config', '--local', '--get-all', 'include.path')
  if (!included.stdout.split('\n').includes(include) && existsSync(include))
    await git('config', '--local', '--add', 'include.path', include)
  return true
}
