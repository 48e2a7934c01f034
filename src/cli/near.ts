import { suggest } from '#lib'

/** What people call it who come from elsewhere: Heroku, Fly.io, kubectl, iex. */
const elsewhere: Record<string, string> = {
  add: 'create',
  bash: 'run -- sh',
  delete: 'destroy',
  describe: 'releases:info',
  eval: 'rpc',
  exec: 'run -- COMMAND',
  get: 'ps',
  iex: 'console',
  info: 'status',
  init: 'create',
  launch: 'create',
  list: 'apps',
  log: 'logs',
  login: 'create NAME --connect',
  ls: 'apps',
  new: 'create',
  push: 'deploy',
  remote: 'console',
  remote_console: 'console',
  rm: 'destroy',
  secrets: 'config',
  sh: 'run -- sh',
  ssh: 'run -- sh',
  start: 'up',
  stop: 'down',
  tail: 'logs -f',
  top: 'ps --beam',
  undo: 'rollback',
}

/**
 * The commands that an unknown word may have meant, the likeliest first: what others call it, the second half of one of
 * ours (`scale`), a slip of the finger, the beginning of one or several.
 */
export function nearVerbs(word: string, verbs: readonly string[]): string[] {
  const whole = word.toLowerCase()
  const last = whole.split(':').at(-1)!
  if (Object.hasOwn(elsewhere, whole)) return [elsewhere[whole]]
  if (verbs.includes(last)) return [last]
  const second = verbs.filter((verb) => verb.endsWith(`:${last}`))
  if (second.length > 0) return second
  if (Object.hasOwn(elsewhere, last)) return [elsewhere[last]]
  const begun = verbs.filter((verb) => verb.startsWith(whole))
  if (word.length < 3 && begun.length > 0) return begun
  const slip = suggest(word, verbs)
  return slip ? [slip] : begun
}
