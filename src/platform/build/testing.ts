import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openLayout } from '#image'
import { silentLogger, systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { createBuilder } from './builder.ts'
import type { Builder, BuilderOptions, BuildResult } from './types.ts'

/** A builder with a home of its own, for tests; `lines` is what it said. */
export function testBuilder(
  t: { after(fn: () => void | Promise<void>): void },
  options: Partial<BuilderOptions> = {},
): Builder & { home: string; lines: string[]; of(app: string, repository: Repository): Promise<BuildResult> } {
  const home = temporaryDirectory(t)
  const layout = openLayout(join(home, 'images'))
  const hostEnv = { PATH: process.env.PATH, SECRET_OF_THE_PLATFORM: 'hunter2' }
  const builder = createBuilder({ home, layout, clock: systemClock, log: silentLogger, hostEnv, ...options })
  t.after(() => builder.close())
  const lines: string[] = []
  const write = (line: string) => lines.push(line)
  return {
    ...builder,
    home,
    lines,
    of: (app, repository) =>
      builder.build({
        app,
        source: { gitDir: join(repository.directory, '.git'), commit: repository.commit() },
        write,
      }),
  }
}

/** A git repository to push from. */
export class Repository {
  readonly directory: string

  constructor(t: { after(fn: () => void): void }, example?: string) {
    this.directory = temporaryDirectory(t)
    if (example)
      cpSync(fileURLToPath(new URL(`../../../examples/${example}`, import.meta.url)), this.directory, {
        recursive: true,
      })
    this.git('init', '--quiet', '--initial-branch=main')
  }

  git(...args: string[]): string {
    const env = { PATH: process.env.PATH, HOME: this.directory, GIT_CONFIG_NOSYSTEM: '1' }
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com']
    return execFileSync('git', [...identity, ...args], { cwd: this.directory, env, encoding: 'utf8' }).trim()
  }

  write(files: Record<string, string>): this {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.directory, path)), { recursive: true })
      writeFileSync(join(this.directory, path), text)
    }
    return this
  }

  remove(path: string): this {
    rmSync(join(this.directory, path), { recursive: true })
    return this
  }

  /** Commits everything that is there; returns the commit. */
  commit(): string {
    this.git('add', '--all')
    this.git('commit', '--quiet', '--allow-empty', '--message', 'change')
    return this.git('rev-parse', 'HEAD')
  }
}
