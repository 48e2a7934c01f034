import { join } from 'node:path'
import { test } from 'node:test'
import { buildMs, client, clusterOfFile, steps } from './clients.ts'

const home = clusterOfFile()
const here = import.meta.dirname

test('client-go: typed clients, informers, leader election', { timeout: buildMs }, async (t) => {
  const program = await client(t, 'informer')
  if (program !== undefined) await steps(t, home(), program)
})

test("python3-kubernetes, Debian's", { timeout: buildMs }, async (t) => {
  const python = await client(t, 'python')
  if (python !== undefined) await steps(t, home(), python, [join(here, 'python/client.py')])
})

test("ruby-kubeclient, Debian's", { timeout: buildMs }, async (t) => {
  const ruby = await client(t, 'ruby')
  if (ruby !== undefined) await steps(t, home(), ruby, [join(here, 'ruby/client.rb')])
})

test('@kubernetes/client-node', { timeout: buildMs }, async (t) => {
  const entry = await client(t, 'node')
  if (entry !== undefined) await steps(t, home(), process.execPath, [join(here, 'node/client.ts')], { CLIENT: entry })
})
