import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listTree } from '#image'
import { CuddleError, isObject, sha256 } from '#lib'
import { readText } from './checkout.ts'
import { type BuildContext, failed, missingTool, runIn } from './context.ts'
import { plan } from './release-layers.ts'
import type { Built } from './types.ts'

interface Package {
  main?: unknown
  scripts: Record<string, unknown>
  hasDependencies: boolean
}

/** `npm ci` (or `npm install` without a lock) when the dependencies changed, the build script when there is one. */
export async function buildNode(context: BuildContext): Promise<Built> {
  const { workspace, write } = context
  const { src } = workspace
  const manifest = readPackage(src)
  const build = ['heroku-postbuild', 'build'].find((name) => typeof manifest.scripts[name] === 'string')
  const modules = join(src, 'node_modules')
  const stamp = join(workspace.root, 'node_modules.stamp')
  const lock = ['package-lock.json', 'npm-shrinkwrap.json']
    .map((file) => readText(src, file))
    .find((text) => text !== undefined)
  const wanted = sha256(JSON.stringify([readText(src, 'package.json'), lock, context.env.PATH, build === undefined]))
  const vendored = [...context.listing.keys()].some((path) => path.startsWith('node_modules/'))
  if (manifest.hasDependencies && !vendored) {
    const same = existsSync(modules) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
    if (same) write('       Dependencies unchanged')
    else {
      await context.step('dependencies', async () => {
        rmSync(stamp, { force: true })
        write('-----> Installing dependencies')
        // Without a lock there is none to write either: the source stays what was pushed.
        const install = lock === undefined ? ['install', '--no-package-lock'] : ['ci']
        const args = [...install, '--no-audit', '--no-fund', '--loglevel=error']
        await npm(context, build ? [...args, '--include=dev'] : [...args, '--omit=dev'])
        if (!build) writeFileSync(stamp, wanted)
      })
    }
  } else if (!vendored) rmSync(modules, { recursive: true, force: true })
  if (build) {
    await context.step('compile', async () => {
      write(`-----> Running npm run ${build}`)
      await npm(context, ['run', build])
      if (manifest.hasDependencies && !vendored)
        await npm(context, ['prune', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'])
    })
  }
  const listed = listTree(src, { prefix: 'app', skip: (path) => path === '.git' })
  const ofModules = (path: string) => path === 'app/node_modules' || path.startsWith('app/node_modules/')
  return {
    runtime: 'node',
    processes: { web: startCommand(src, manifest) },
    layers: [
      ...plan(
        'node_modules',
        listed.filter((entry) => ofModules(entry.path)),
      ),
      ...plan(
        'app',
        listed.filter((entry) => !ofModules(entry.path)),
      ),
    ],
    mode: 'cold',
  }
}

function readPackage(src: string): Package {
  let manifest: unknown
  try {
    manifest = JSON.parse(readText(src, 'package.json') ?? '')
  } catch (cause) {
    throw new CuddleError('build-failed', 'package.json is not JSON', {
      cause,
      details: [String((cause as Error).message)],
    })
  }
  if (!isObject(manifest)) throw new CuddleError('build-failed', 'package.json is not an object')
  const some = (value: unknown) => isObject(value) && Object.keys(value).length > 0
  return {
    main: manifest.main,
    scripts: isObject(manifest.scripts) ? manifest.scripts : {},
    hasDependencies:
      some(manifest.dependencies) || some(manifest.devDependencies) || some(manifest.optionalDependencies),
  }
}

/** A start script that is a plain `node …` is run as it is: npm in between would cost memory and swallow the exit code. */
function startCommand(src: string, manifest: Package): string {
  const { start } = manifest.scripts
  if (typeof start === 'string') return /^node [\w@%+=:,./ -]+$/.test(start) ? start : 'npm start'
  const main = typeof manifest.main === 'string' ? manifest.main : undefined
  const file = [main, 'server.js', 'index.js', 'index.mjs', 'server.mjs', 'server.ts', 'index.ts'].find(
    (name) => name !== undefined && existsSync(join(src, name)),
  )
  if (!file) {
    throw new CuddleError('build-failed', 'package.json says not how the app starts', {
      details: ['it has neither scripts.start nor main, and there is no server.js or index.js'],
      hint: 'add "scripts": {"start": "node server.js"}',
    })
  }
  return `node ${file}`
}

async function npm(context: BuildContext, args: string[]): Promise<void> {
  try {
    const result = await runIn(context, 'npm', args)
    if (result.code !== 0) throw failed(context, `npm ${args[0]}${args[0] === 'run' ? ` ${args[1]}` : ''}`, result)
  } catch (error) {
    if (error instanceof CuddleError && error.code === 'tool-missing') throw missingTool('npm', 'nodejs npm')
    throw error
  }
}
