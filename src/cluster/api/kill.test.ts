import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { Agent, request } from 'node:https'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { ensurePki } from '../pki/index.ts'
import { configMap, configMaps } from './testing.ts'

/** How often the server is killed; 200 for a long run. */
const kills = Number(process.env['CUDDLE_TEST_KILLS'] ?? 30)
const writers = 8

const timeout = 60_000 + kills * 5000

test('every acknowledged write outlives kill -9, in order, and watches resume', { timeout }, async (t) => {
  const home = temporaryDirectory(t)
  const { ca, admin } = await ensurePki(home)
  const agent = new Agent({ keepAlive: true, ca: ca.cert, cert: admin.cert, key: admin.key })
  let child: ChildProcess | undefined
  t.after(() => {
    agent.destroy()
    child?.kill('SIGKILL')
  })
  let port = 0

  /** Resolves with undefined when the server is gone before it has answered. */
  function send(method: string, path: string, body?: object): Promise<any> {
    return new Promise((resolve) => {
      const outgoing = request({ port, path, method, agent, headers: { 'content-type': 'application/json' } })
      outgoing.on('error', () => resolve(undefined))
      outgoing.on('response', (incoming) => {
        let text = ''
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        incoming.on('error', () => resolve(undefined))
        incoming.on('end', () => resolve(incoming.complete ? JSON.parse(text) : undefined))
      })
      outgoing.end(body && JSON.stringify(body))
    })
  }

  /** What a watch that resumes at `since` is told up to `end`. */
  function events(since: number, end: number): Promise<any[]> {
    return new Promise((resolve, reject) => {
      const path = `${configMaps}?watch=1&resourceVersion=${since}`
      const outgoing = request({ port, path, agent: false, ca: ca.cert, cert: admin.cert, key: admin.key })
      outgoing.on('error', reject)
      outgoing.on('response', (incoming) => {
        const found: any[] = []
        let rest = ''
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n')
          rest = lines.pop()!
          found.push(...lines.map((line) => JSON.parse(line)))
          if (Number(found.at(-1)?.object.metadata.resourceVersion) < end) return
          resolve(found)
          outgoing.destroy()
        })
        incoming.on('error', () => {})
      })
      outgoing.end()
    })
  }

  /** Names of acknowledged objects and the revisions that they were acknowledged at. */
  const acknowledged = new Map<string, number>()
  let seen = 0
  for (let round = 0; round <= kills; round++) {
    child = spawn(process.execPath, [new URL('./testing-server.ts', import.meta.url).pathname, home], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const gone = new Promise((resolve) => child!.once('exit', resolve))
    port = Number(
      await new Promise<string>((resolve) => child!.stdout!.once('data', (chunk) => resolve(String(chunk)))),
    )
    const list = await send('GET', configMaps)
    const stored = new Map<string, number>(
      list.items.map((item: any) => [item.metadata.name, Number(item.metadata.resourceVersion)]),
    )
    for (const [name, revision] of acknowledged) assert.equal(stored.get(name), revision, name)
    // From 0 a watch would begin with what is there, in no order.
    if (round === 0) seen = Number(list.metadata.resourceVersion)
    const newest = Math.max(seen, ...stored.values())
    if (newest > seen) {
      const missed = await events(seen, newest)
      const revisions = missed.map((event) => Number(event.object.metadata.resourceVersion))
      assert.deepEqual(
        revisions,
        [...revisions].sort((a, b) => a - b),
      )
      const names = new Set(missed.map((event) => event.object.metadata.name))
      for (const [name, revision] of stored) if (revision > seen) assert.ok(names.has(name), name)
    }
    seen = newest
    if (round === kills) break
    let killed = false
    // The kill falls into the middle of the writes, later in each round.
    const fatal = 3 + ((round * 7) % 40)
    let answered = 0
    const write = async (writer: number) => {
      for (let index = 0; !killed; index++) {
        const name = `r${round}-w${writer}-${index}`
        const answer = await send('POST', configMaps, configMap(name, { filler: 'x'.repeat(200) }))
        if (answer?.kind === 'ConfigMap') acknowledged.set(name, Number(answer.metadata.resourceVersion))
        if (++answered < fatal || killed) continue
        killed = true
        child!.kill('SIGKILL')
      }
    }
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)))
    await gone
  }
  assert.ok(acknowledged.size >= kills)
})
