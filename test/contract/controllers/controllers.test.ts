import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createKube, httpTransport } from '#kube'
import { errorMessage, silentLogger, systemClock } from '#lib'
import { show } from '../compare.ts'
import { startOurs, startReal, type TestEnd } from '../ends.ts'
import { type Hollow, startHollow } from '../hollow/index.ts'
import { complaint, KnownDifferences, slug } from '../known.ts'
import { differences } from './differences.ts'
import { watched } from './kinds.ts'
import { Lockstep } from './lockstep.ts'
import { Metrics, registerMetrics } from './metrics.ts'
import { type Scenario, scenarios } from './scenario.ts'
import { World } from './world.ts'

const folder = join(import.meta.dirname, 'scenarios')
for (const file of readdirSync(folder).sort()) if (file.endsWith('.ts')) await import(join(folder, file))

// SCENARIO=text runs only the scenarios whose name contains it.
const only = process.env['SCENARIO'] ?? ''
/** Differences of one scenario that are shown. */
const most = Number(process.env['CONTRACT_SHOWN'] ?? 20)
/** Scenarios at a time: they mostly wait. */
const atOnce = 12
/** Both have the same times: a node is lost, and an autoscaler looks, sooner than by default. */
const nodeGraceMs = 20_000
const periodMs = 500
/** Beta, and off unless asked for. */
const gates = 'MaxUnavailableStatefulSet=true'
const flags = {
  'kube-controller-manager': {
    'kube-api-qps': '1000',
    'kube-api-burst': '2000',
    'node-monitor-period': '500ms',
    'node-monitor-grace-period': `${nodeGraceMs}ms`,
    'horizontal-pod-autoscaler-sync-period': `${periodMs}ms`,
    'feature-gates': gates,
    'horizontal-pod-autoscaler-initial-readiness-delay': '0s',
  },
  'kube-apiserver': { 'feature-gates': gates },
}
let metrics: Metrics
const known = new KnownDifferences(differences)

test('controllers compared', { concurrency: atOnce, timeout: 600_000 }, async (t) => {
  const [ours, real] = await Promise.all([startOurs(t, { nodeGraceMs, autoscalerPeriodMs: periodMs }), findReal(t)])
  const there = 'missing' in real ? undefined : real
  if ('missing' in real) {
    await t.test('the real controllers', { skip: `only the embedded ones were watched: ${real.missing}` }, () => {})
  }
  metrics = await Metrics.start(t)
  const stages = await Promise.all([ours, there].map((end) => end && stage(t, end)))
  const chosen = scenarios().filter(({ name }) => name.includes(only))
  const outcomes: boolean[] = []
  await Promise.all(
    chosen.map((one, index) =>
      t.test(one.name, { timeout: 240_000 }, async () => {
        outcomes.push(await judge(one, `s${index}-${slug(one.name)}`, stages[0]!, stages[1]))
      }),
    ),
  )
  if (there) known.report('controllers', 'scenarios', outcomes, only === '')
})

async function findReal(t: Parameters<typeof startReal>[0]): Promise<TestEnd | { missing: string }> {
  // Hollow nodes beside those of a cluster that somebody uses would get its pods.
  if (process.env['USE_EXISTING_CLUSTER'] === 'true') return { missing: 'USE_EXISTING_CLUSTER has nodes of its own' }
  const real = await startReal(t, process.env, { flags })
  return 'missing' in real || real.controllers ? real : { missing: 'there is no kube-controller-manager' }
}

interface Stage {
  kube: ReturnType<typeof createKube>
  hollow: Hollow
}

/** Hollow nodes, over the wire at both ends. */
async function stage(t: Parameters<typeof startReal>[0], end: TestEnd): Promise<Stage> {
  const { host, port, ca, cert, key } = end
  const config = { server: `https://${host}:${port}`, ca, cert, key, namespace: 'default' }
  const kube = createKube(httpTransport(config), { userAgent: 'scenario' })
  const stop = new AbortController()
  const hollow = startHollow({ kube, clock: systemClock, log: silentLogger, signal: stop.signal, watch: watched })
  t.after(async () => {
    stop.abort()
    await hollow.stopped
    kube.close()
  })
  await hollow.ready
  await registerMetrics(kube, metrics)
  return { kube, hollow }
}

/** Fails for differences that are not known; true when there are none at all. */
async function judge(one: Scenario, namespace: string, ours: Stage, real: Stage | undefined): Promise<boolean> {
  const lockstep = new Lockstep((difference) => known.has(one.name, difference))
  const meet = (index: 0 | 1) => (world: World, label: string) =>
    real ? lockstep.meet(index, world, label) : Promise.resolve()
  const play = async (cluster: string, stage: Stage, index: 0 | 1): Promise<unknown> => {
    const world = new World({ cluster, ...stage, namespace, metrics, meet: meet(index) })
    try {
      await world.begin()
      await one.play(world)
      return undefined
    } catch (error) {
      return error
    } finally {
      lockstep.leave()
      await world.finish().catch(() => {})
    }
  }
  const [theirs, mine] = await Promise.all([real && play('the real one', real, 0), play('ours', ours, 1)])
  if (theirs) throw complaint(`the real controllers do not do what the scenario expects: ${errorMessage(theirs)}`)
  const found = lockstep.differences
  const news = known.news(one.name, found)
  if (news.length > 0 || mine) {
    const told = mine ? [`ours: ${errorMessage(mine)}`] : []
    throw complaint([`${news.length} differences`, ...news.slice(0, most).map(show), ...told].join('\n'))
  }
  return found.length === 0
}
