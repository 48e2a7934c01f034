import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Observation } from '#platform'
import { observerLines, sorts } from './observer-lines.ts'

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
})
