import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMap, namespace, startServer } from './server.ts'

const objects = 100_000
const clients = 64

const nameOf = (index: number) => `m${String(index).padStart(6, '0')}`

test('a hundred thousand objects are stored, read in pages, watched from the start and still there after a crash', {
  timeout: 1_500_000,
}, async (t) => {
  const server = await startServer(t)
  const collection = `${namespace}/configmaps`
  const began = performance.now()
  let next = 0
  const write = async () => {
    for (let index = next++; index < objects; index = next++) {
      const { code } = await server.send('POST', collection, configMap(nameOf(index), { filler: 'x'.repeat(300) }))
      assert.equal(code, 201)
    }
  }
  await Promise.all(Array.from({ length: clients }, write))
  const seconds = (performance.now() - began) / 1000

  const count = async () => {
    const names: string[] = []
    let token = ''
    let revision = ''
    do {
      const { code, body } = await server.send('GET', `${collection}?limit=5000${token && `&continue=${token}`}`)
      assert.equal(code, 200)
      revision ||= body.metadata.resourceVersion
      assert.equal(body.metadata.resourceVersion, revision, 'pages are of one revision')
      for (const { metadata } of body.items) if (/^m\d{6}$/.test(metadata.name)) names.push(metadata.name)
      token = body.metadata.continue ?? ''
    } while (token)
    assert.equal(names.length, objects)
    assert.equal(names.at(-1), nameOf(objects - 1))
    for (let index = 1; index < names.length; index++) assert.ok(names[index - 1] < names[index])
  }
  await count()
  const memory = server.memory()

  const session = server.connect()
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const stream = session.request({ ':path': `${collection}?${query}` })
  let added = 0
  await new Promise<void>((resolve, reject) => {
    let rest = ''
    stream.on('error', reject)
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (line.startsWith('{"type":"ADDED"')) added++
        else if (line.includes('k8s.io/initial-events-end')) resolve()
      }
    })
  })
  session.destroy()
  assert.ok(added >= objects)

  const milliseconds = await server.restart()
  await count()
  const { body } = await server.send('GET', `${collection}/${nameOf(4711)}`)
  assert.equal(body.data.filler.length, 300)
  console.log(
    `${objects} objects: written in ${seconds.toFixed(0)} s by ${clients} clients, ${memory.toFixed(0)} MiB resident, back after a crash in ${milliseconds.toFixed(0)} ms`,
  )
})
