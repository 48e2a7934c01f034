import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pid } from '#beam'
import type { Observation } from '#platform'
import { keysLine, observerLines, observerScreen, type Sorting, sorts, views } from './observer-lines.ts'

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
  recent: 12,
  pid: new Pid('shop@10.0.0.7', 213, 0, 1),
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

const style = (_: string, text: string) => text
const by = (name: keyof typeof sorts): Sorting => ({ by: sorts[name], tablesBy: 'memory' })

test('a look shows the node, its processes and what its supervisors miss', () => {
  const text = observerLines(seen, by('reductions'), { style }).join('\n')
  assert.match(text, /^shop@10\.0\.0\.7 {2}shop-web-1 {2}OTP 27 {2}up 1m05s$/m)
  assert.match(text, /25\.6% of 4 online {3}dirty CPU \? {3}run queue 3/)
  assert.match(text, /total 50\.0 MiB/)
  assert.match(text, /^PROCESS +PID +REDS\/S▼ +MEMORY +MESSAGES +NOW$/m)
  assert.match(text, /^Shop\.Queue +<0\.213\.0> +12 +2\.0 KiB +7 +gen_server:loop\/7 \(waiting\)$/m)
  assert.match(text, /shop +1 supervisors, 2 workers {3}queue restarting/)
  assert.match(observerLines(seen, by('memory'), { style }).join('\n'), /REDS\/S +MEMORY▼/)
  assert.match(text, /^Shop\.Cache +12 +4\.0 KiB +set, public, Shop$/m)
  assert.match(text, /^eheap_alloc +3\.0 MiB +4\.0 MiB +75% of what is held is used$/m)
})

test('a view fits a terminal of 80 columns by 24 rows', () => {
  for (const view of Object.values(views)) {
    const options = { sorting: by('memory'), from: 0, room: 23, columns: 80, out: { style } }
    const { lines } = observerScreen(seen, view, options)
    assert.ok(lines.length <= 23)
    for (const line of [...lines, keysLine(view, { style })]) assert.ok(line.length <= 80, `${line.length}: ${line}`)
  }
})

test('scrolling leaves the headings where they are, and stops at the end', () => {
  const processes = Array.from({ length: 50 }, (_, i) => ({ ...process, registeredName: `p${i}`, memory: 1e6 - i }))
  const many = { ...seen, processes } as Observation
  const at = (from: number) =>
    observerScreen(many, 'processes', { sorting: by('memory'), from, room: 20, columns: 80, out: { style } })
  const heading = at(0).lines.findIndex((line) => line.startsWith('PROCESS'))
  assert.match(at(0).lines[heading - 1], /^1–11 of 80, the first 50 can be scrolled$/)
  assert.match(at(7).lines[heading + 1], /^p7 /)
  assert.match(at(7).lines[heading], /^PROCESS/)
  assert.deepEqual([at(1e9).from, at(1e9).lines.at(-1)?.split(' ')[0]], [39, 'p49'])
})

test('names that would steer the terminal do not', () => {
  const nasty = {
    ...seen,
    processes: [{ ...process, registeredName: '\x1b]0;owned\x07\x9b2J' }],
  } as unknown as Observation
  const text = observerLines(nasty, by('memory'), { style }).join('')
  assert.doesNotMatch(text, /[\x00-\x1f\x7f-\x9f]/)
})
