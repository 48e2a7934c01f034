import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Observation } from '#platform'
import { observerLines, sorts, views } from './observer-lines.ts'

const process = {
  registeredName: 'Elixir.Shop.Queue',
  label: undefined,
  initialCall: 'Shop.Queue:init/1',
  currentFunction: 'gen_server:loop/7',
  status: 'waiting',
  memory: 2048,
  messageQueueLength: 7,
  reductions: 5000,
  value: 12,
}

const seen = {
  node: 'shop@10.0.0.7',
  pod: 'shop-web-1',
  otpRelease: '27',
  uptimeMs: 65_000,
  sample: {
    utilisation: 0.256,
    dirtyCpuUtilisation: undefined,
    schedulersOnline: 4,
    runQueue: { total: 3 },
    memory: { total: 50 * 1024 * 1024 },
    processes: { count: 80, limit: 262_144 },
    ports: { count: 9, limit: 65_536 },
    atoms: { count: 13_000, limit: 1_048_576 },
    ets: { count: 24, limit: 8192 },
    perSecond: { reductions: 1000, collections: 1, inputBytes: 0, outputBytes: 0 },
  },
  processes: [process],
  tables: [
    { name: 'Elixir.Shop.Cache', type: 'set', protection: 'public', size: 12, memory: 4096, owner: 'Elixir.Shop' },
  ],
  allocators: [{ name: 'eheap_alloc', blocks: 3 * 1024 * 1024, carriers: 4 * 1024 * 1024 }],
  applications: [{ application: 'shop', supervisors: 1, workers: 2, troubled: ['queue restarting'] }],
} as unknown as Observation

test('a look shows the node, its processes and what its supervisors miss', () => {
  const style = (_: string, text: string) => text
  const text = observerLines(seen, sorts.reductions, { style }).join('\n')
  assert.match(text, /^shop@10\.0\.0\.7 {2}shop-web-1 {2}OTP 27 {2}up 1m05s$/m)
  assert.match(text, /25\.6% of 4 online {3}dirty CPU \? {3}run queue 3/)
  assert.match(text, /total 50\.0 MiB/)
  assert.match(text, /^PROCESS +REDS▼ +MEMORY +MESSAGES +NOW$/m)
  assert.match(text, /^Shop\.Queue +12 +2\.0 KiB +7 +gen_server:loop\/7 \(waiting\)$/m)
  assert.match(text, /shop +1 supervisors, 2 workers {3}queue restarting/)
  assert.match(observerLines(seen, sorts.memory, { style }).join('\n'), /REDS +MEMORY▼/)
  assert.match(text, /^Shop\.Cache +12 +4\.0 KiB +set, public, Shop$/m)
  assert.match(text, /^eheap_alloc +3\.0 MiB +4\.0 MiB +75% of what is held is used$/m)
})

test('a view fits a terminal of 80 columns', () => {
  const style = (_: string, text: string) => text
  for (const view of Object.values(views)) {
    const lines = observerLines(seen, sorts.memory, { style }, { view, width: 80 })
    for (const line of lines) assert.ok(line.length <= 80, `${line.length}: ${line}`)
  }
})
