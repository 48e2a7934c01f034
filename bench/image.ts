/*
 * An image of a 300-module Elixir release is built again after one module changed: by this project (in its process, as
 * the platform does), by `buildah bud --layers` with the same three layers, and by npm's containerify; then the same with
 * the push to a registry on this machine. All start from an assembled release, so compiling is no part of it.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLayout, openRegistry } from '#image'
import { silentLogger, systemClock } from '#lib'
import { createBuilder } from '#platform'
import { buildImage, type LayerMemory } from '../src/platform/build/image.ts'
import { releaseLayers } from '../src/platform/build/release-layers.ts'
import { writeElixirApp } from './lib/elixir-app.ts'
import { interleaved, missingProgram, npmBaseline, type Row, report, type Skipped } from './lib/report.ts'

const root = mkdtempSync(join(tmpdir(), 'cuddle-bench-image-'))
const skipped: Skipped[] = []
const cleanups: (() => void)[] = [() => rmSync(root, { recursive: true, force: true, maxRetries: 5 })]
const say = (line: string) => console.error(line)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function startRegistry(): Promise<string> {
  const host = `127.0.0.1:${await freePort()}`
  const file = join(root, 'registry.yml')
  const storage = { filesystem: { rootdirectory: join(root, 'registry') } }
  const log = { level: 'error', accesslog: { disabled: true } }
  writeFileSync(file, JSON.stringify({ version: 0.1, log, storage, http: { addr: host } }))
  const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' })
  cleanups.unshift(() => child.kill())
  for (let tries = 0; tries < 200; tries++) {
    if (await fetch(`http://${host}/v2/`).catch(() => undefined)) return host
    await systemClock.sleep(25)
  }
  throw new Error('docker-registry does not start')
}

/** The release, once as it is and once in the three folders that a Dockerfile copies. */
async function assembleRelease(): Promise<{ release: string; context: string; layout: string; digest: string }> {
  say('compiling 300 modules (once)')
  const source = join(root, 'source')
  mkdirSync(source)
  writeElixirApp(source, 300)
  const layout = join(root, 'images')
  const options = {
    home: root,
    layout: openLayout(layout),
    clock: systemClock,
    log: silentLogger,
    hostEnv: process.env,
  }
  const builder = createBuilder({ ...options, resident: false })
  const { digest } = await builder.build({ app: 'big', source: { directory: source }, write() {} })
  await builder.close()
  const release = join(root, 'builds', 'big', 'release')
  const context = join(root, 'context')
  for (const folder of ['erts', 'deps', 'app']) mkdirSync(join(context, folder, 'lib'), { recursive: true })
  const copy = (from: string, to: string) => execFileSync('cp', ['-r', join(release, from), join(context, to)])
  for (const name of readdirSync(release)) if (name !== 'lib') copy(name, name.startsWith('erts') ? 'erts' : 'app')
  for (const name of readdirSync(join(release, 'lib')))
    copy(`lib/${name}`, name.startsWith('big-') ? 'app/lib' : 'deps/lib')
  rmSync(join(context, 'erts', 'lib'), { recursive: true })
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY erts /app\nCOPY deps /app\nCOPY app /app\nWORKDIR /app\nCMD ["bin/big", "start"]\n',
  )
  return { release, context, layout, digest }
}

let version = 0
/** The change of one module: as many bytes, another content. */
function change(folder: string): void {
  const file = join(folder, 'lib', 'big-0.1.0', 'ebin', 'Elixir.Big.Version.beam')
  const bytes = readFileSync(file)
  bytes.writeUInt32BE(++version, bytes.length - 8)
  writeFileSync(`${file}.new`, bytes)
  renameSync(`${file}.new`, file)
}

async function timed(work: () => unknown): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

function quietly(command: string, args: string[], cwd: string): void {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${command} ${args[0]} failed: ${result.stderr || result.stdout}`)
}

async function main(): Promise<void> {
  const { release, context, layout: directory, digest: first } = await assembleRelease()
  const layout = openLayout(directory)
  const memory: LayerMemory = new Map()
  let latest = { digest: first, written: 0 }
  // As the platform does after a compilation in memory, which touches the app alone.
  const stable = releaseLayers(release, ['big'])
  await buildImage(layout, 'big', stable, memory, {})
  const build = async () => {
    const plans = releaseLayers(release, ['big'], stable)
    latest = await buildImage(layout, 'big', plans, memory, { cmd: ['bin/big', 'start'] })
  }
  await build()
  const size = () => {
    const { layers } = JSON.parse(layout.read(latest.digest).toString()) as { layers: { size: number }[] }
    return layers.reduce((sum, layer) => sum + layer.size, 0)
  }

  const alone: Record<string, () => Promise<number>> = {
    ours: () => {
      change(release)
      return timed(build)
    },
  }
  const pushed: Record<string, () => Promise<number>> = {}
  const noRegistry = missingProgram('docker-registry', 'apt-get install docker-registry')
  const host = noRegistry ? undefined : await startRegistry()
  if (noRegistry) skipped.push(noRegistry)
  if (host) {
    const registry = openRegistry({ url: `http://${host}` })
    await registry.push(layout, latest.digest, 'ours', 'latest')
    pushed.ours = () => {
      change(release)
      return timed(async () => {
        await build()
        await registry.push(layout, latest.digest, 'ours', 'latest')
      })
    }
  }

  const noBuildah = missingProgram('buildah', 'apt-get install buildah')
  if (noBuildah) skipped.push(noBuildah)
  else {
    const storage = ['--root', join(root, 'buildah'), '--runroot', join(root, 'buildah-run'), '--storage-driver', 'vfs']
    const bud = () =>
      quietly('buildah', [...storage, 'bud', '--layers', '--isolation', 'chroot', '--tag', 'big', '.'], context)
    bud()
    alone.buildah = () => {
      change(join(context, 'app'))
      return timed(bud)
    }
    if (host) {
      pushed.buildah = () => {
        change(join(context, 'app'))
        return timed(() => {
          bud()
          quietly(
            'buildah',
            [...storage, 'push', '--tls-verify=false', 'big', `docker://${host}/buildah:latest`],
            context,
          )
        })
      }
    }
  }

  const containerify = host ? npmBaseline('containerify', ['containerify@4.1.0']) : undefined
  if (containerify && 'reason' in containerify) skipped.push(containerify)
  else if (containerify && host) {
    // Its base image is erts and the dependencies; it reads gzip only.
    const base = openLayout(join(root, 'base'))
    const { buildLayer, assembleImage, listTree } = await import('#image')
    const folders = ['erts', 'deps'].map((folder) => listTree(join(context, folder), { prefix: 'app' }))
    const layers = await Promise.all(folders.map((entries) => buildLayer(base, entries, { compression: 'gzip' })))
    const image = assembleImage(base, { layers, config: {}, architecture: 'amd64' })
    await openRegistry({ url: `http://${host}` }).push(base, image.digest, 'base', 'latest')
    const bin = join(containerify.dir, 'node_modules', 'containerify', 'lib', 'cli.js')
    const url = `http://${host}/v2/`
    const args = [bin, '--fromImage', 'base:latest', '--toImage', 'containerify:latest']
    args.push('--folder', join(context, 'app'), '--customContent', '.', '--setTimeStamp', '1970-01-01T00:00:00.000Z')
    args.push('--layerCacheFolder', join(root, 'containerify-cache'))
    const toLayout = [...args, '--fromRegistry', url, '--toOciLayout', join(root, 'containerify.tar')]
    const toRegistry = [...args, '--registry', url, '--allowNoPushAuth', '--doCrossMount']
    const run = (all: string[]) => () => {
      change(join(context, 'app'))
      return timed(() => quietly(process.execPath, all, join(context, 'app')))
    }
    alone.containerify = run(toLayout)
    pushed.containerify = run(toRegistry)
  }

  say('measuring')
  const times = await interleaved(alone, 5)
  const written = latest.written
  const pushes = host ? await interleaved(pushed, 5) : {}
  const rows: Row[] = []
  const compare = (what: string, all: Record<string, number>, baseline: string, times?: number) => {
    if (all[baseline] === undefined) return
    const goal = times === undefined ? undefined : 1 / times
    rows.push({ what, unit: 'ms', ours: all.ours, baseline, theirs: all[baseline], better: 'less', goal })
  }
  compare('rebuild', times, 'buildah', 100)
  compare('rebuild', times, 'containerify', 20)
  // What the registry itself takes is the same for all, and most of ours: shown, not judged.
  compare('rebuild and push', pushes, 'buildah')
  compare('rebuild and push', pushes, 'containerify')
  rows.push({
    what: 'bytes written',
    unit: 'KiB',
    ours: written / 1024,
    baseline: 'whole image',
    theirs: size() / 1024,
    better: 'less',
    goal: 0.01,
  })

  const notes: string[] = []
  const noSkopeo = missingProgram('skopeo', 'apt-get install skopeo')
  if (noSkopeo) skipped.push(noSkopeo)
  else {
    quietly('skopeo', ['copy', `oci:${directory}:big`, `dir:${join(root, 'copied')}`], root)
    const inspected = JSON.parse(execFileSync('skopeo', ['inspect', `oci:${directory}:big`], { encoding: 'utf8' }))
    notes.push(
      `skopeo inspects and copies it: ${inspected.Layers.length} layers, same digest: ${inspected.Digest === latest.digest}`,
    )
  }
  report('image', rows, { skipped, notes })
}

try {
  await main()
} finally {
  for (const cleanup of cleanups) cleanup()
}
