import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#lib/testing'
import { configMap, namespace, startServer } from './server.ts'

const watchers = 10_000
const perConnection = 100
const objects = 20

test('ten thousand watches are told everything, in order, and leave nothing behind', {
  timeout: 600_000,
}, async (t) => {
  const server = await startServer(t)
  assert.equal((await server.send('GET', '/readyz')).code, 200)
  const before = server.memory()
  const open = async (): Promise<number> => {
    const { body } = await server.send('GET', '/metrics')
    return Number(/verb="WATCH"\} (\d+)/.exec(body)?.[1])
  }
  const idle = await open()
  const since = (await server.send('GET', `${namespace}/configmaps`)).body.metadata.resourceVersion
  const heard: { names: string[]; rest: string }[] = []
  const sessions = []
  let answered = 0
  for (let count = 0; count < watchers; ) {
    const session = server.connect()
    sessions.push(session)
    for (let index = 0; index < perConnection; index++, count++) {
      const watcher = { names: [] as string[], rest: '' }
      heard.push(watcher)
      const stream = session.request({ ':path': `${namespace}/configmaps?watch=1&resourceVersion=${since}` })
      stream.on('response', () => answered++)
      stream.on('error', () => {})
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (watcher.rest + text).split('\n')
        watcher.rest = lines.pop()!
        for (const line of lines) watcher.names.push(/"name":"(m\d+)"/.exec(line)?.[1] ?? line)
      })
    }
    // No more at once than a client would open.
    if (sessions.length % 10 === 0) await until(() => answered === count, { timeoutMs: 120_000 })
  }
  await until(() => answered === watchers, { timeoutMs: 120_000 })
  const watching = server.memory()

  const wanted = Array.from({ length: objects }, (_, index) => `m${index}`)
  for (const name of wanted) {
    assert.equal((await server.send('POST', `${namespace}/configmaps`, configMap(name))).code, 201)
  }
  await until(() => heard.every(({ names }) => names.length >= objects), { timeoutMs: 300_000 })
  for (const { names } of heard) assert.deepEqual(names, wanted)

  for (const session of sessions) session.destroy()
  await until(async () => (await open()) === idle, { timeoutMs: 60_000 })
  const [mine, more] = [before, watching - before].map(Math.round)
  console.log(
    `${watchers} watches: ${more} MiB on top of ${mine} MiB, ${((more * 1024) / watchers).toFixed(1)} KiB each`,
  )
})
