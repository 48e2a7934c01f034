import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger, type Logger } from '#lib'
import { temporaryDirectory } from '#lib/testing'

function logged(t: TestContext, level: string, use: (log: Logger) => void): Record<string, unknown>[] {
  const path = join(temporaryDirectory(t), 'log')
  const fd = openSync(path, 'a')
  use(createLogger('control', level, fd))
  closeSync(fd)
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((text) => JSON.parse(text))
}

test('a line of JSON per message, with the fields of the logger and of the call', (t) => {
  const [line] = logged(t, 'info', (log) => log.child({ controller: 'gc' }).warn({ pod: 'shop/web-0' }, 'gone\n'))
  assert.ok(Math.abs(Date.parse(line.time as string) - Date.now()) < 60_000)
  delete line.time
  assert.deepEqual(line, { level: 'warn', name: 'control', controller: 'gc', pod: 'shop/web-0', msg: 'gone\n' })
})

test('only what is as loud as the level; unknown levels mean info', (t) => {
  const all = (log: Logger) => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({}, level)
  }
  const said = (level: string) => logged(t, level, all).map(({ msg }) => msg)
  assert.deepEqual(said('debug'), ['debug', 'info', 'warn', 'error'])
  assert.deepEqual(said('error'), ['error'])
  assert.deepEqual(said('silent'), [])
  assert.deepEqual(said('loud'), ['info', 'warn', 'error'])
})

test('never throws: errors keep their stack, what JSON cannot say loses its line, and so does a closed file', (t) => {
  const circle: Record<string, unknown> = {}
  circle.circle = circle
  const lines = logged(t, 'info', (log) => {
    log.info({ error: new Error('broken pipe'), bytes: 1n }, 'failed')
    log.info(circle, 'lost')
    log.info({}, 'goes on')
  })
  assert.match(lines[0].error as string, /^Error: broken pipe\n +at /)
  assert.equal(lines[0].bytes, '1')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['failed', 'goes on'],
  )
  createLogger('control', 'info', 1_000_000).info({}, 'nobody hears this')
})
