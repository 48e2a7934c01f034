import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CuddleError, exec } from '#lib'
import type { Invocation } from './command.ts'

/** The app a verb is about: --app, else the `cuddle` remote of this repository, else `app:` in cuddle.yaml. */
export async function appName(invocation: Invocation): Promise<string> {
  const named = invocation.values.app ?? (invocation.env.CUDDLE_APP || undefined)
  if (named !== undefined) return checked(named)
  const found = (await fromRemote(invocation)) ?? fromSpec(invocation.cwd)
  if (found) return found
  throw new CuddleError('no-app', 'which app? this folder is not connected to one', {
    hint: 'add -a NAME, or run cuddle create NAME here',
  })
}

/** A name as typed. An empty one is a script's unset variable: it must not fall back to the app of this folder. */
export function checked(name: string): string {
  if (name === '') throw new CuddleError('usage', '-a needs the name of an app', { hint: 'cuddle apps lists them' })
  if (/^[a-z0-9-]{1,63}$/.test(name)) return name
  throw new CuddleError('no-app', `no app is called ${JSON.stringify(name.slice(0, 80))}`, {
    hint: 'cuddle apps lists them; cuddle create NAME makes one',
  })
}

async function fromRemote(invocation: Invocation): Promise<string | undefined> {
  try {
    const env = { PATH: invocation.env.PATH, HOME: invocation.env.HOME }
    const { code, stdout } = await exec('git', ['remote', 'get-url', 'cuddle'], { cwd: invocation.cwd, env })
    return code === 0 ? /\/([a-z0-9-]+)\.git\/?$/.exec(stdout.trim())?.[1] : undefined
  } catch {
    return undefined
  }
}

function fromSpec(start: string): string | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    for (const name of ['cuddle.yaml', 'cuddle.yml']) {
      const path = join(directory, name)
      if (existsSync(path)) return /^app:\s*['"]?([a-z0-9-]+)/m.exec(readFileSync(path, 'utf8'))?.[1]
    }
    if (directory === dirname(directory)) return undefined
  }
}
