import assert from 'node:assert/strict'
import { contract } from '../../case.ts'
import { runPod, shell } from '../pods.ts'

contract('log: what a container said', async (c) => {
  const pod = await runPod(c, 'p', 'echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three', { phase: 'Succeeded' })
  const whole = await c.get(`${pod}/log`)
  assert.equal(whole.text, 'one\ntwo\nthree')
  await c.get(`${pod}/log?container=main`)
  await c.get(`${pod}/log?tailLines=2`)
  await c.get(`${pod}/log?tailLines=0`)
  await c.get(`${pod}/log?limitBytes=5`)
  await c.get(`${pod}/log?sinceSeconds=3600`)
  await c.get(`${pod}/log?follow=true`)
  const stamped = await c.send('GET', `${pod}/log?timestamps=true`, undefined, { record: false })
  assert.match(stamped.text, /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \w+\n?){3}$/)
})

contract('log: what is refused', async (c) => {
  const containers = [shell(c, 'one', 'echo one; exec sleep 1000'), shell(c, 'two', 'exec sleep 1000')]
  const pod = await runPod(c, 'p', '', { spec: { containers } })
  await c.get(`${pod}/log`)
  await c.get(`${pod}/log?container=one`)
  await c.get(`${pod}/log?container=three`)
  await c.get(`${pod}/log?container=one&previous=true`)
  await c.get(`${pod}/log?container=one&tailLines=-1`)
  await c.get(`${pod}/log?container=one&sinceSeconds=0`)
  await c.get(`${pod}/log?container=one&limitBytes=0`)
  await c.get(`${pod}/log?container=one&sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z`)
  await c.get(`${pod}/log?container=one&stream=Neither`)
  await c.get(`${c.path('pods')}/none/log`)
})
