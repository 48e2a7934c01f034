import { CuddleError, isObject } from '#lib'

/** A registry, and the folder in it that images go to. */
export interface RegistryAddress {
  /** Where it answers. */
  url: string
  /** As it stands in references: `registry.example.com`, `127.0.0.1:5000`. */
  host: string
  /** Before the name of every repository: `team/`, or empty. */
  path: string
}

/**
 * Reads `HOST[:PORT][/PATH]`, perhaps with `http://` or `https://` before it. Without, a registry on this machine is spoken to
 * in clear text and every other through TLS, as by Docker.
 * @throws CuddleError `bad-registry`
 */
export function registryAddress(text: string): RegistryAddress {
  const match =
    /^(?:(https?):\/\/)?([a-zA-Z0-9.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?)((?:\/[a-z0-9._-]+)*)\/?$/.exec(
      text,
    )
  if (!match || /@/.test(text)) {
    throw new CuddleError('bad-registry', `${JSON.stringify(text)} is not the address of a registry`, {
      hint: 'HOST:PORT or HOST/PATH, such as registry.example.com/team or http://10.0.0.5:5000',
    })
  }
  const [, scheme, host, path] = match
  const local = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host)
  return {
    url: `${scheme ?? (local ? 'http' : 'https')}://${host}`,
    host,
    path: path === '' ? '' : `${path.slice(1)}/`,
  }
}

/**
 * The user name and password for a registry in a Docker configuration (config.json, or the content of a Secret of type
 * kubernetes.io/dockerconfigjson); undefined when it has none.
 * @throws CuddleError `bad-registry-auth` when it is no such file, or leaves the password to a foreign program
 */
export function registryCredentials(text: string, host: string): { username: string; password: string } | undefined {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch {
    // The cause would quote the file.
    throw new CuddleError('bad-registry-auth', 'the registry credentials are not JSON, as Docker writes them')
  }
  if (!isObject(config))
    throw new CuddleError('bad-registry-auth', 'the registry credentials are no Docker configuration')
  const auths = isObject(config.auths) ? config.auths : {}
  const keys = [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`, `http://${host}`]
  const entry = keys.map((key) => auths[key]).find((value) => isObject(value))
  if (!isObject(entry) || Object.keys(entry).length === 0) {
    const helpers = isObject(config.credHelpers) ? config.credHelpers : {}
    if (config.credsStore === undefined && helpers[host] === undefined) return undefined
    throw new CuddleError(
      'bad-registry-auth',
      `the password for ${host} is kept by a credential helper, which is not run`,
      {
        hint: `write a file of its own: {"auths": {"${host}": {"username": …, "password": …}}}`,
      },
    )
  }
  const pair = typeof entry.auth === 'string' ? Buffer.from(entry.auth, 'base64').toString('utf8') : ''
  const colon = pair.indexOf(':')
  const username = typeof entry.username === 'string' ? entry.username : pair.slice(0, Math.max(0, colon))
  const password = typeof entry.password === 'string' ? entry.password : pair.slice(colon + 1)
  if (username === '' || password === '')
    throw new CuddleError('bad-registry-auth', `the credentials for ${host} hold no user name and password`)
  return { username, password }
}
