/** True for a DNS label (RFC 1123), which app names are: nothing that could leave a folder or need quoting. */
export function isAppName(name: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)
}

export type Service = 'git-receive-pack' | 'git-upload-pack'

export type GitUrl =
  | { kind: 'refs'; app: string; service: Service }
  | { kind: 'rpc'; app: string; service: Service }
  /** It means a repository, but none that can be here, or asks for what is not served (dumb HTTP). */
  | { kind: 'invalid' }

/**
 * Reads `/APP.git/info/refs?service=…` and `/APP.git/git-…-pack` (also below `/git/`, and without `.git`). The raw
 * request target is matched, nothing is decoded or resolved: a name with `%`, `/` or `..` in it is invalid. Undefined
 * when the URL has nothing to do with git.
 */
export function parseGitUrl(target: string): GitUrl | undefined {
  const question = target.indexOf('?')
  const path = question < 0 ? target : target.slice(0, question)
  const smart = /^\/(?:git\/)?(.*?)(?:\.git)?\/(info\/refs|git-receive-pack|git-upload-pack)$/.exec(path)
  if (!smart) return /\.git(\/|$)/.test(path) ? { kind: 'invalid' } : undefined
  const [, app, end] = smart
  if (!isAppName(app)) return { kind: 'invalid' }
  if (end !== 'info/refs') return { kind: 'rpc', app, service: end as Service }
  const service = new URLSearchParams(question < 0 ? '' : target.slice(question + 1)).get('service')
  if (service !== 'git-receive-pack' && service !== 'git-upload-pack') return { kind: 'invalid' }
  return { kind: 'refs', app, service }
}
