import { createHash, hash } from 'node:crypto'
import { shortHash, stableStringify } from '#lib'
import { type CompileInput, compile, configSecret, toYaml } from '#manifests'
import { parseSpec } from '#spec'

const spec: any = parseSpec(
  `
processes:
  web: bin/shop start
  worker: bin/worker
cron:
  nightly: { schedule: "0 3 * * *", command: bin/nightly }
domains: [shop.example.com]
health: /healthz
scale: { web: 2..10 }
env: { POOL_SIZE: 10, LOG_LEVEL: info }
`,
  { file: '' },
)
function input(index: number): CompileInput {
  const app = `shop-${index}`
  return {
    app,
    namespace: app,
    spec: spec.spec,
    release: index,
    image: `cuddle.local/${app}@sha256:${'0'.repeat(64)}`,
    config: { DATABASE_URL: `postgres://${app}@db/${app}`, SECRET_KEY_BASE: 'x'.repeat(64) },
    scale: {},
    environment: { baseDomain: 'localhost', scheme: 'http' },
    runtime: 'beam',
  }
}
function time(name: string, f: (i: number) => any, n = 200000) {
  for (let i = 0; i < n / 4; i++) f(i)
  const t = performance.now()
  for (let i = 0; i < n; i++) f(i)
  console.log(name, (((performance.now() - t) / n) * 1000).toFixed(2), 'us')
}
time('compile', (i) => compile(input(i)))
time('input', (i) => input(i))

const d = { POOL_SIZE: '10', LOG_LEVEL: 'info' }
time('shortHash', (i) => shortHash(d))
