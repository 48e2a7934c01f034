import type { Api, ApiRequest, ApiResponse } from './request.ts'

/** What is claimed to be served. */
export const version = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.0',
  gitCommit: 'cuddle',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: 'node',
  compiler: 'v8',
  platform: 'linux/amd64',
}

const checks = ['ping', 'log', 'etcd']

/** `/version`, `/healthz`, `/livez` and `/readyz`, `?verbose` and the single checks below them included. */
export function health(_: Api, request: ApiRequest): ApiResponse | undefined {
  const [first, second] = request.path.split('/').filter(Boolean)
  if (first === 'version' && second === undefined) {
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(version, null, 2)),
    }
  }
  if (first !== 'healthz' && first !== 'livez' && first !== 'readyz') return undefined
  if (second !== undefined && !checks.includes(second)) return undefined
  const verbose = request.query.has('verbose') && second === undefined
  const excluded = new Set(request.query.getAll('exclude'))
  const lines = checks.map((name) => `[+]${name} ${excluded.has(name) ? 'excluded: ok' : 'ok'}`)
  const text = verbose ? `${lines.join('\n')}\n${first} check passed\n` : 'ok'
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: Buffer.from(text),
  }
}
