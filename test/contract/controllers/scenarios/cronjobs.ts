import assert from 'node:assert/strict'
import { CronJob, Job } from '#kube'
import { rfc3339 } from '#lib'
import { compared } from '../kinds.ts'
import { job } from '../objects.ts'
import { scenario } from '../scenario.ts'
import type { World } from '../world.ts'

/** Fires every minute; the real controller knows no shorter time. */
const cron = (w: World, spec: object = {}, does?: 'exit 0' | 'exit 1') => ({
  metadata: { name: 'tick' },
  spec: {
    schedule: '* * * * *',
    jobTemplate: {
      metadata: { labels: { of: 'tick' } },
      spec: { backoffLimit: 0, ...(job(w, 'work', {}, { does }) as any).spec },
    },
    ...spec,
  },
})
/** Names of Jobs end with the minute that they are for. */
const anyMinute = (w: World) =>
  w.compare(compared, (object) => JSON.parse(JSON.stringify(object).replaceAll(/tick-\d{8}/g, 'tick-<minute>')))
const active = (w: World) => w.find(CronJob, 'tick')?.status?.active?.length ?? 0

/** A CronJob that has not run for ten minutes, so that its first run is due at once: with most of a minute until the next. */
async function overdue(w: World, ...given: [spec?: object, does?: 'exit 0' | 'exit 1']): Promise<void> {
  await w.until('a minute with time left', () => Date.now() % 60_000 < 30_000)
  const [spec, does] = given
  await w.create(CronJob, cron(w, { suspend: true, ...spec }, does))
  const lastScheduleTime = rfc3339(Date.now() - 600_000)
  await w.patch(CronJob, 'tick', { status: { lastScheduleTime } }, 'status')
  await w.patch(CronJob, 'tick', { spec: { suspend: false } })
}

/** Those that wait for minutes to pass run beside each other. */
for (const [concurrencyPolicy, jobs] of [
  ['Allow', 2],
  ['Forbid', 1],
  ['Replace', 1],
] as const) {
  scenario(
    `a CronJob whose Jobs take long: ${concurrencyPolicy}`,
    async (w) => {
      anyMinute(w)
      await w.node()
      await overdue(w, { concurrencyPolicy })
      await w.until('the first', () => active(w) === 1 && w.list(Job).length === 1)
      const first = w.list(Job)[0].metadata.uid
      await w.frame('the first', () => w.pods({ ready: true }).length === 1)
      const { lastScheduleTime } = w.find(CronJob, 'tick')!.status!
      const second = Date.parse(lastScheduleTime!) + 60_000
      await w.until('the second minute', () => Date.now() > second + 3_000, 90_000)
      await w.frame('the second', () => w.list(Job).length === jobs && w.pods({ ready: true }).length === jobs)
      assert.equal(
        w.list(Job).some(({ metadata }) => metadata.uid === first),
        concurrencyPolicy !== 'Replace',
      )
    },
    { slow: true },
  )
}

scenario(
  'a CronJob keeps what its limits say',
  async (w) => {
    anyMinute(w)
    await w.node()
    await overdue(w, { successfulJobsHistoryLimit: 0 }, 'exit 0')
    await w.until('a run', () => w.find(CronJob, 'tick')?.status?.lastSuccessfulTime)
    await w.frame('no trace of it', () => w.list(Job).length === 0 && active(w) === 0)
  },
  { slow: true },
)

scenario(
  'a CronJob whose Jobs fail',
  async (w) => {
    anyMinute(w)
    await w.node()
    await overdue(w, { failedJobsHistoryLimit: 1 }, 'exit 1')
    const failed = () => w.list(Job).filter((one) => one.status?.conditions?.some(({ type }) => type === 'Failed'))
    await w.until('a run', () => failed().length === 1)
    await w.frame('it is kept', () => active(w) === 0)
  },
  { slow: true },
)

scenario('a CronJob that was away too long', async (w) => {
  anyMinute(w)
  await w.node()
  await overdue(w, { startingDeadlineSeconds: 3600 })
  await w.frame('one run makes up for all that were missed', () => w.list(Job).length === 1 && active(w) === 1)
})

scenario('a run from a CronJob by hand, and its end', async (w) => {
  anyMinute(w)
  await w.node()
  const owner = await w.create(CronJob, cron(w, { suspend: true }))
  const { spec } = (owner as any).spec.jobTemplate
  const ownerReferences = [
    { apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', uid: owner.metadata.uid, controller: true },
  ]
  const annotations = { 'cronjob.kubernetes.io/instantiate': 'manual' }
  await w.create(Job, { metadata: { name: 'by-hand', ownerReferences, annotations }, spec })
  await w.frame('running', () => w.pods({ ready: true }).length === 1)
  await w.tell('exit 0', {})
  await w.frame('done', () => w.find(Job, 'by-hand')?.status?.succeeded === 1)
  await w.delete(CronJob, 'tick')
  await w.frame('gone with its CronJob', () => w.list(Job).length === 0)
})

scenario('a CronJob that is later than it may be', async (w) => {
  anyMinute(w)
  await w.node()
  // The latest missed minute is longer ago than ten seconds.
  await w.until('a minute that began', () => Date.now() % 60_000 > 15_000 && Date.now() % 60_000 < 28_000, 60_000)
  await overdue(w, { startingDeadlineSeconds: 10 })
  await w.frame(
    'nothing is started',
    () => w.find(CronJob, 'tick')?.spec?.suspend === false && w.list(Job).length === 0,
  )
})
