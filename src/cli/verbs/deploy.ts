import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { CuddleError, exec, nodeHttp, readLines } from '#lib'
import { getApp, platformToken, readSettings } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'

export default {
  summary: 'Deploys this folder as it is, committed or not.',
  usage: '[FOLDER]',
  describe:
    'In a git repository, what .gitignore names is left out; elsewhere .git, node_modules, _build and deps are.',
  positionals: [0, 1],
  options: appOption,
  examples: ['cuddle deploy', 'cuddle deploy ./site -a docs'],
  async run(invocation) {
    const { out } = invocation
    const context = connect(invocation)
    const name = await appName(invocation)
    const folder = resolve(invocation.cwd, invocation.positionals[0] ?? '.')
    if (!existsSync(folder) || !lstatSync(folder).isDirectory())
      throw new CuddleError('usage', `${folder} is no folder`)
    await getApp(context, name)
    const files = await listFiles(folder, invocation)
    if (files.length === 0) throw new CuddleError('usage', `${folder} is empty`)
    const settings = await readSettings(context.kube)
    const token = await platformToken(context.kube)
    out.note(`uploading ${files.length} files`)
    // The user's name comes before the token, as git sends it; the release says who it was.
    const auth = `${context.user.replaceAll(':', '')}:${token}`
    const lines = upload(`${settings.platformUrl}/apps/${name}/deploy`, auth, folder, files, invocation.signal)
    try {
      for await (const line of lines) {
        const message = JSON.parse(line)
        if (message.line !== undefined) out.note(message.line)
        if (message.error)
          throw new CuddleError(message.error.code, `${name} was not deployed`, { details: message.error.lines })
        if (message.result) {
          out.data(message.result)
          return 0
        }
      }
    } catch (cause) {
      if (!invocation.signal.aborted) throw cause
      throw new CuddleError('interrupted', 'stopped; a release that was made already goes on', {
        hint: `cuddle releases -a ${name}`,
        cause,
      })
    }
    throw new CuddleError('interrupted', 'the platform went away while deploying', {
      hint: `cuddle releases -a ${name}`,
    })
  },
} satisfies Command

async function listFiles(folder: string, invocation: Invocation): Promise<string[]> {
  const env = { PATH: invocation.env.PATH, HOME: invocation.env.HOME }
  const listed = await exec('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: folder, env }).catch(
    () => undefined,
  )
  if (listed?.code === 0 && listed.stdout !== '') {
    return listed.stdout
      .split('\0')
      .filter((path) => path !== '' && existsSync(join(folder, path)) && !lstatSync(join(folder, path)).isDirectory())
  }
  const left = new Set(['.git', 'node_modules', '_build', 'deps'])
  const files: string[] = []
  const walk = (at: string) => {
    for (const entry of readdirSync(join(folder, at), { withFileTypes: true })) {
      if (left.has(entry.name)) continue
      const path = at === '' ? entry.name : `${at}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile() || entry.isSymbolicLink()) files.push(path)
    }
  }
  walk('')
  return files
}

async function* upload(
  url: string,
  auth: string,
  folder: string,
  files: string[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  const tar = pack()
  const sending = nodeHttp().request(url, {
    method: 'POST',
    auth,
    headers: { 'content-type': 'application/gzip', 'transfer-encoding': 'chunked' },
    signal,
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sending.on('response', resolve)
    sending.on('error', reject)
  })
  const sent = (async () => {
    const piping = pipeline(tar, createGzip({ level: 1 }), sending)
    for (const path of files) {
      const full = join(folder, path)
      const stat = lstatSync(full)
      if (stat.isSymbolicLink()) tar.entry({ name: path, type: 'symlink', linkname: readlinkSync(full) })
      else
        tar.entry(
          { name: path, mode: stat.mode & 0o777, size: stat.size },
          (await readFile(full)).subarray(0, stat.size),
        )
    }
    tar.finalize()
    await piping
  })()
  // The server may answer, and end, before all was sent: its answer says why.
  sent.catch(() => {})
  const response = await answered
  if (response.statusCode !== 200) throw new CuddleError('refused', `the platform answered ${response.statusCode}`)
  yield* readLines(response)
}
