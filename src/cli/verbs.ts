import type { VerbEntry } from './command.ts'

const verb = (group: string, summary: string, load: VerbEntry['load'], hidden = false): VerbEntry => ({
  group,
  summary,
  load,
  hidden,
})

/** All commands, in the order of the help; each is loaded only when it is called. */
export const verbs: Record<string, VerbEntry> = {
  up: verb('This machine', 'start the cluster and the platform', () => import('./verbs/up.ts')),
  down: verb('This machine', 'stop everything; up brings it back', () => import('./verbs/down.ts')),
  status: verb('This machine', 'what runs here, and where it answers', () => import('./verbs/status.ts')),
  create: verb('Apps', 'make an app and connect this repository', () => import('./verbs/create.ts')),
  apps: verb('Apps', 'list the apps', () => import('./verbs/apps.ts')),
  deploy: verb('Apps', 'deploy this folder, without git', () => import('./verbs/deploy.ts')),
  open: verb('Apps', 'open the app in the browser', () => import('./verbs/open.ts')),
  destroy: verb('Apps', 'delete an app and everything of it', () => import('./verbs/destroy.ts')),
  ps: verb('Processes', 'list the pods of an app', () => import('./verbs/ps.ts')),
  'ps:scale': verb('Processes', 'set how many pods run: web=3, web=2..10', () => import('./verbs/ps-scale.ts')),
  'ps:resize': verb(
    'Processes',
    'set how much CPU and memory pods get: web large',
    () => import('./verbs/ps-resize.ts'),
  ),
  'ps:restart': verb('Processes', 'restart, one pod after the other', () => import('./verbs/ps-restart.ts')),
  logs: verb('Processes', 'show or follow the log', () => import('./verbs/logs.ts')),
  run: verb('Processes', 'run a command once, in a fresh pod', () => import('./verbs/run.ts')),
  console: verb('Inside', 'an IEx or Erlang shell in a running BEAM node', () => import('./verbs/console.ts')),
  rpc: verb('Inside', 'evaluate an expression in a running BEAM node', () => import('./verbs/rpc.ts')),
  trace: verb('Inside', 'follow the calls of a function, within limits', () => import('./verbs/trace.ts')),
  observer: verb('Inside', 'what a BEAM node is busy with, live', () => import('./verbs/observer.ts')),
  'cookie:rotate': verb('Inside', 'give the nodes of a cluster a new cookie', () => import('./verbs/cookie-rotate.ts')),
  releases: verb('Releases', 'list the releases', () => import('./verbs/releases.ts')),
  'releases:info': verb('Releases', 'what is in a release, or why it failed', () => import('./verbs/releases-info.ts')),
  rollback: verb('Releases', 'go back to an older release', () => import('./verbs/rollback.ts')),
  config: verb('Config', 'list the config vars', () => import('./verbs/config.ts')),
  'config:get': verb('Config', 'print one config var', () => import('./verbs/config-get.ts')),
  'config:set': verb('Config', 'set config vars and release', () => import('./verbs/config-set.ts')),
  'config:unset': verb('Config', 'remove config vars and release', () => import('./verbs/config-unset.ts')),
  plan: verb('Kubernetes', 'what a deploy would change, object by object', () => import('./verbs/plan.ts')),
  export: verb('Kubernetes', 'the app as plain manifests', () => import('./verbs/export.ts')),
  manifest: verb('Kubernetes', 'what the platform needs on a cluster', () => import('./verbs/manifest.ts')),
  completion: verb('Other', 'print a completion for bash, zsh or fish', () => import('./verbs/completion.ts')),
  version: verb('Other', 'print the versions', () => import('./verbs/version.ts')),
}
