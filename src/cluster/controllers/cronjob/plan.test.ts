import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { objects } from '#kube'
import { jobName, planCron } from './plan.ts'
import { readSchedule } from './schedule.ts'

const at = (time: string) => Date.parse(`2026-01-01T${time}Z`)

function cronJob(spec: object = {}, status: object = {}): objects.CronJob {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'c', namespace: 'shop', creationTimestamp: '2026-01-01T00:00:30Z' },
    spec: { schedule: '* * * * *', jobTemplate: { spec: { template: {} } }, ...spec } as any,
    status: status as any,
  }
}

function job(name: string, finished?: 'Complete' | 'Failed', startTime = '2026-01-01T00:00:00Z'): objects.Job {
  const conditions = finished ? [{ type: finished, status: 'True' }] : []
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'shop', uid: name },
    status: { startTime, completionTime: startTime, conditions } as any,
  }
}

const minutely = await readSchedule('* * * * *')

test('nothing is due before the first time; then one Job per time, named after it', () => {
  const early = planCron(cronJob(), [], minutely, at('00:00:45'))
  assert.deepEqual([early.start, early.nextIn], [undefined, 15_000])
  const due = planCron(cronJob(), [], minutely, at('00:01:00'))
  assert.equal(due.start, at('00:01:00'))
  assert.equal(due.status.lastScheduleTime, '2026-01-01T00:01:00Z')
  const again = planCron(cronJob({}, due.status), [job(jobName(cronJob(), due.start!))], minutely, at('00:01:00'))
  assert.equal(again.start, undefined)
})

test('of many missed runs only the latest starts, with a warning after a hundred', () => {
  const plan = planCron(cronJob(), [], minutely, at('05:00:10'))
  assert.equal(plan.start, at('05:00:00'))
  assert.deepEqual(
    plan.events.map(({ reason }) => reason),
    ['TooManyMissedTimes'],
  )
})

test('a run that is later than startingDeadlineSeconds is missed', async () => {
  const hourly = await readSchedule('@hourly')
  const spec = { startingDeadlineSeconds: 60 }
  assert.equal(planCron(cronJob(spec), [], hourly, at('01:00:59')).start, at('01:00:00'))
  const late = planCron(cronJob(spec), [], hourly, at('01:02:00'))
  assert.equal(late.start, undefined)
  assert.equal(late.events[0].reason, 'MissSchedule')
})

test('concurrencyPolicy: Allow starts beside, Forbid waits, Replace takes over', () => {
  const running = [job('running')]
  running[0].metadata.annotations = { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:00:00Z' }
  assert.equal(planCron(cronJob(), running, minutely, at('00:01:00')).start, at('00:01:00'))
  const forbid = planCron(cronJob({ concurrencyPolicy: 'Forbid' }), running, minutely, at('00:01:00'))
  assert.deepEqual([forbid.start, forbid.events[0].reason], [undefined, 'JobAlreadyActive'])
  const replace = planCron(cronJob({ concurrencyPolicy: 'Replace' }), running, minutely, at('00:01:00'))
  assert.deepEqual([replace.start, replace.remove[0].metadata.name], [at('00:01:00'), 'running'])
  const byHand = planCron(cronJob({ concurrencyPolicy: 'Forbid' }), [job('by-hand')], minutely, at('00:01:00'))
  assert.deepEqual([byHand.start, byHand.events[0].reason], [at('00:01:00'), 'UnexpectedJob'])
})

test('suspend starts nothing, and history is kept short by outcome', () => {
  const jobs = [1, 2, 3, 4, 5].map((day) => job(`ok-${day}`, 'Complete', `2026-01-0${day}T00:00:00Z`))
  jobs.push(job('bad-1', 'Failed', '2026-01-01T00:00:00Z'), job('bad-2', 'Failed', '2026-01-02T00:00:00Z'))
  const plan = planCron(cronJob({ suspend: true }), jobs, minutely, at('00:05:00'))
  assert.equal(plan.start, undefined)
  assert.deepEqual(
    plan.remove.map(({ metadata }) => metadata.name),
    ['ok-1', 'ok-2', 'bad-1'],
  )
  assert.equal(plan.status.lastSuccessfulTime, '2026-01-05T00:00:00Z')
})

test('schedules know time zones, summer time, intervals and mistakes', async () => {
  const berlin = await readSchedule('30 3 * * *', 'Europe/Berlin')
  assert.equal(berlin.next(Date.parse('2026-01-01T00:00:00Z')), Date.parse('2026-01-01T02:30:00Z'))
  assert.equal(berlin.next(Date.parse('2026-07-01T00:00:00Z')), Date.parse('2026-07-01T01:30:00Z'))
  const every = await readSchedule('@every 90m')
  assert.equal(every.latest(at('00:00:00'), at('04:00:00')), at('03:00:00'))
  assert.equal((await readSchedule('0 0 ? * 1')).next(at('00:00:00')), Date.parse('2026-01-05T00:00:00Z'))
  await assert.rejects(readSchedule('61 * * * *'))
  await assert.rejects(readSchedule('* * * * *', 'Mars/Olympus'))
})

test('a clock that jumps ahead starts one run, not all that it leapt over; one set back starts none twice', () => {
  const before = cronJob({}, { lastScheduleTime: '2026-01-01T00:01:00Z' })
  const ahead = planCron(before, [], minutely, at('23:59:10'))
  assert.equal(ahead.start, at('23:59:00'))
  assert.deepEqual(
    ahead.events.map(({ reason }) => reason),
    ['TooManyMissedTimes'],
  )
  const back = planCron(cronJob({}, ahead.status), [], minutely, at('00:02:10'))
  assert.equal(back.start, undefined)
  assert.ok(back.nextIn! <= 60_000, 'and looks again soon: the clock may be put right')
})
