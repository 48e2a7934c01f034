import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError } from '#lib'

/** The folders of one app's builds. Everything in them is a cache: removing it costs time, nothing else. */
export interface Workspace {
  root: string
  /** The checked-out source, with what the build tools keep in it (`_build`, `deps`, `node_modules`). */
  src: string
  /** `$HOME` of the build. */
  home: string
  /** Caches of package managers. */
  cache: string
  /** The assembled release of a BEAM app. */
  release: string
}

export function openWorkspace(home: string, app: string): Workspace {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(app)) {
    throw new CuddleError('bad-app-name', `${JSON.stringify(app)} is not an app name`)
  }
  const root = join(home, 'builds', app)
  const workspace = {
    root,
    src: join(root, 'src'),
    home: join(root, 'home'),
    cache: join(root, 'cache'),
    release: join(root, 'release'),
  }
  for (const directory of [workspace.src, workspace.home, workspace.cache]) mkdirSync(directory, { recursive: true })
  return workspace
}

/** The whole environment of a build. */
export function buildEnvironment(
  workspace: Workspace,
  path: string | undefined,
  buildEnv: Record<string, string> = {},
): Record<string, string> {
  return {
    LANG: 'C.UTF-8',
    MIX_ENV: 'prod',
    NODE_ENV: 'production',
    // Without it, compiled Erlang names the folder it was compiled in.
    ERL_COMPILER_OPTIONS: 'deterministic',
    npm_config_cache: join(workspace.cache, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    REBAR_CACHE_DIR: join(workspace.cache, 'rebar3'),
    REBAR_COLOR: 'none',
    SOURCE_DATE_EPOCH: '0',
    ...buildEnv,
    PATH: path ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: workspace.home,
  }
}
