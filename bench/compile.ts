import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type CompileInput, compile, toYaml } from '#manifests'
import { parseSpec } from '#spec'
import { interleaved, npmBaseline, type Row, report } from './lib/report.ts'

/*
 * Objects a second from an app with two processes, config, a secret, a service, a route and a cron job: src/manifests
 * against cdk8s with cdk8s-plus, both warm, 100 apps a round. Each counts its own objects (ours makes more of them, and
 * fuller ones); apps a second is the comparison that this cannot flatter.
 */
const apps = 100

const spec = parseSpec(
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
  { file: 'cuddle.yaml' },
)
if (!spec.ok) throw new Error(JSON.stringify(spec.problems))

function input(index: number): CompileInput {
  const app = `shop-${index}`
  return {
    app,
    namespace: app,
    spec: (spec as Extract<typeof spec, { ok: true }>).spec,
    release: index,
    image: `cuddle.local/${app}@sha256:${'0'.repeat(64)}`,
    config: { DATABASE_URL: `postgres://${app}@db/${app}`, SECRET_KEY_BASE: 'x'.repeat(64) },
    scale: {},
    environment: { baseDomain: 'localhost', scheme: 'http' },
    runtime: 'beam',
  }
}

/** One app as cdk8s' own guide writes it: ConfigMap, Secret, 2 Deployments, Service, Ingress, HPA, CronJob. */
function cdkApp(cdk: any, plus: any, index: number): { objects: any[]; app: any } {
  const name = `shop-${index}`
  const app = new cdk.App()
  const chart = new cdk.Chart(app, name, { namespace: name })
  const image = `cuddle.local/${name}@sha256:${'0'.repeat(64)}`
  const config = new plus.ConfigMap(chart, 'config', { data: { POOL_SIZE: '10', LOG_LEVEL: 'info' } })
  const secret = new plus.Secret(chart, 'secret', {
    stringData: { DATABASE_URL: `postgres://${name}@db/${name}`, SECRET_KEY_BASE: 'x'.repeat(64) },
  })
  const envFrom = [plus.Env.fromConfigMap(config), plus.Env.fromSecret(secret)]
  const resources = {
    cpu: { request: plus.Cpu.millis(100) },
    memory: { request: cdk.Size.mebibytes(256), limit: cdk.Size.mebibytes(256) },
  }
  const container = (command: string, port?: number) => ({
    image,
    command: ['/bin/sh', '-c', `exec ${command}`],
    envFrom,
    resources,
    ...(port === undefined
      ? {}
      : { portNumber: port, readiness: plus.Probe.fromHttpGet('/healthz'), liveness: plus.Probe.fromTcpSocket() }),
  })
  const web = new plus.Deployment(chart, 'web', { containers: [container('bin/shop start', 8080)] })
  new plus.Deployment(chart, 'worker', { replicas: 1, containers: [container('bin/worker')] })
  const service = web.exposeViaService({ ports: [{ port: 80, targetPort: 8080 }] })
  const ingress = new plus.Ingress(chart, 'ingress')
  ingress.addHostRule('shop.example.com', '/', plus.IngressBackend.fromService(service))
  new plus.HorizontalPodAutoscaler(chart, 'scale', { target: web, minReplicas: 2, maxReplicas: 10 })
  new plus.CronJob(chart, 'nightly', {
    schedule: cdk.Cron.schedule({ minute: '0', hour: '3' }),
    containers: [container('bin/nightly')],
  })
  return { objects: chart.toJson(), app }
}

const count = compile(input(0)).length
/** Units a second: calls `work` for every app, `times` over. */
function rate(times: number, per: number, work: (index: number) => unknown): number {
  const start = performance.now()
  for (let round = 0; round < times; round++) for (let index = 0; index < apps; index++) work(index)
  return (times * apps * per) / ((performance.now() - start) / 1000)
}

const baseline = npmBaseline('cdk8s', ['cdk8s', 'cdk8s-plus-33', 'constructs'])
const contenders: Record<string, () => number> = {
  ours: () => rate(60, 1, (index) => compile(input(index))),
  oursText: () => rate(4, 1, (index) => toYaml(compile(input(index)))),
}
let theirCount = 0
if ('dir' in baseline) {
  const require = createRequire(join(baseline.dir, 'package.json'))
  const cdk = require('cdk8s')
  const plus = require('cdk8s-plus-33')
  theirCount = cdkApp(cdk, plus, 0).objects.length
  contenders.theirs = () => rate(2, 1, (index) => cdkApp(cdk, plus, index))
  contenders.theirsText = () => rate(1, 1, (index) => cdk.Yaml.stringify(...cdkApp(cdk, plus, index).objects))
}
const medians = await interleaved(contenders, 9)
const rows: Row[] = []
if ('dir' in baseline) {
  const common = { baseline: 'cdk8s + plus-33', better: 'more' as const }
  rows.push(
    {
      what: 'objects',
      unit: '/s',
      ours: medians.ours * count,
      theirs: medians.theirs * theirCount,
      goal: 50,
      ...common,
    },
    { what: 'apps', unit: '/s', ours: medians.ours, theirs: medians.theirs, ...common },
    { what: 'apps as YAML text', unit: '/s', ours: medians.oursText, theirs: medians.theirsText, ...common },
  )
}
const first = toYaml(compile(input(1)), { redact: false })
report('compile', rows, {
  skipped: 'dir' in baseline ? [] : [baseline],
  notes: [
    `objects an app: ours ${count}, theirs ${theirCount}; ours alone: ${Math.round(medians.ours * count).toLocaleString('en-US')} objects/s`,
    `output is ${first === toYaml(compile(input(1)), { redact: false }) ? '' : 'NOT '}byte-identical from run to run`,
  ],
  extra: { objectsPerSecond: medians.ours * count },
})
