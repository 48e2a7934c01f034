import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { ContainerLog } from './log.ts'
import { type LogReadOptions, lastLines, readLog } from './log-read.ts'

async function text(log: ContainerLog, options: LogReadOptions = {}): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of readLog(log, options, AbortSignal.timeout(10_000))) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

test('stamps whole lines, holds a piece of one back, and takes the last one at the end', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock)
  writeFileSync(join(directory, 'stdout'), 'one\ntw')
  assert.equal(await text(log), 'one\n')
  appendFileSync(join(directory, 'stdout'), 'o\nthree')
  log.finish()
  assert.equal(await text(log), 'one\ntwo\nthree')
  assert.match(await text(log, { timestamps: true, tailLines: 1 }), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$/)
})

test('an agent that dies between log and cursor loses no line and doubles none', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock)
  writeFileSync(join(directory, 'stdout'), 'one\n')
  assert.equal(await text(log), 'one\n')
  log.close()
  appendFileSync(join(directory, 'stdout'), 'two\n')
  // The crash: the line reached the log, the cursor did not move.
  appendFileSync(join(directory, 'log.0'), '2026-01-01T00:00:00.000000000Z stdout F two\n')
  const next = new ContainerLog(directory, systemClock)
  assert.equal(await text(next), 'one\ntwo\n')
  next.close()
})

test('keeps two files and reads across them', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock, 2000)
  for (let index = 0; index < 100; index++) {
    appendFileSync(join(directory, 'stdout'), `line ${index}\n`)
    await text(log)
    await systemClock.sleep(index % 10 === 9 ? 16 : 0)
  }
  log.finish()
  assert.equal(readdirSync(directory).filter((name) => name.startsWith('log.')).length, 2)
  const lines = (await text(log)).trimEnd().split('\n')
  assert.ok(lines.length > 30 && lines.length < 100)
  assert.equal(lines.at(-1), 'line 99')
  for (const count of [1, 5, lines.length - 1, lines.length]) {
    assert.deepEqual((await text(log, { tailLines: count })).trimEnd().split('\n'), lines.slice(-count))
  }
  assert.equal(await text(log, { tailLines: 0 }), '')
  assert.equal(lastLines(log, 2, 1000), 'line 98\nline 99\n')
})

test('follows until the container ends', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock)
  writeFileSync(join(directory, 'stdout'), 'first\n')
  const followed = text(log, { follow: true })
  appendFileSync(join(directory, 'stdout'), 'second\n')
  log.poke()
  appendFileSync(join(directory, 'stderr'), 'third\n')
  log.finish()
  assert.equal(await followed, 'first\nsecond\nthird\n')
})

test('cuts at limitBytes and before sinceTime, and joins what was cut for being long', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock)
  const long = 'x'.repeat(50_000)
  writeFileSync(join(directory, 'stdout'), `${long}\nshort\n`)
  log.finish()
  assert.equal(await text(log), `${long}\nshort\n`)
  assert.equal(await text(log, { limitBytes: 7 }), 'xxxxxxx')
  assert.equal(await text(log, { sinceMs: Date.now() + 60_000 }), '')
  assert.equal(await text(log, { sinceMs: Date.now() - 60_000, tailLines: 1 }), 'short\n')
})

test('any bytes pass as they are', async (t) => {
  const directory = temporaryDirectory(t)
  const log = new ContainerLog(directory, systemClock)
  const bytes = Buffer.from([0, 255, 254, 13, 10, 200, 10])
  writeFileSync(join(directory, 'stdout'), bytes)
  log.finish()
  const pieces: Buffer[] = []
  for await (const piece of readLog(log, {}, AbortSignal.timeout(1000))) pieces.push(piece)
  assert.deepEqual(Buffer.concat(pieces), bytes)
})
