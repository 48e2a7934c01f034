import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { type BeamNode, connect } from '../distribution/index.ts'
import { evaluate } from '../evaluate.ts'
import { atom, isAtom, Pid } from '../term/index.ts'
import { startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import { allocators } from './allocators.ts'
import type { Sample } from './sample.ts'
import { createSampler } from './sampler.ts'
import { etsTables } from './tables.ts'
import { topProcesses } from './top.ts'
import { type SupervisionNode, supervisionTree } from './tree.ts'

const skip = missing('erl')
const cleanups: (() => void | Promise<void>)[] = []
let node: BeamNode

before(async () => {
  if (skip) return
  const { name, port, cookie } = await startErl({ after: (fn) => cleanups.push(fn) })
  node = await connect({ name, port, cookie, ourName: 'rem-observer@127.0.0.1' })
})

after(async () => {
  node?.close()
  for (const cleanup of cleanups) await cleanup()
})

test('a sampler measures schedulers, queues, memory and limits while it is open', { skip }, async () => {
  const sampler = await createSampler(node)
  const busy = node.process()
  const spinning = await node.spawn(busy, ['erlang', 'apply', [await evaluate(node, 'fun Loop() -> Loop() end'), []]])
  const sample = await until<Sample | undefined>(async () => {
    const one = await sampler.sample()
    return one.utilisation !== undefined && one.utilisation > 0.2 ? one : undefined
  })
  busy.exit(spinning, atom('kill'))
  assert.ok(sample.utilisation! <= 1 && sample.overMs > 0)
  assert.equal(sample.schedulers.length, sample.schedulersOnline)
  assert.equal(sample.runQueue.normal.length, sample.schedulersTotal)
  assert.ok(sample.memory['total'] > sample.memory['processes'] && sample.memory['processes'] > 0)
  assert.ok(sample.processes.count > 10 && sample.processes.count < sample.processes.limit)
  assert.ok(sample.atoms.count > 1000 && sample.ports.limit > 0 && sample.ets.count > 5)
  assert.ok(sample.perSecond.reductions > 0)

  const measured = () => node.rpc('erlang', 'statistics', [atom('scheduler_wall_time')])
  assert.ok(Array.isArray(await measured()))
  sampler.close()
  await until(async () => isAtom(await measured(), 'undefined'))
})

test('what an app publishes is read, within limits, and what is nobody else’s is left alone', { skip }, async () => {
  const table = (...lines: string[]) =>
    evaluate(node, `spawn(fun() -> ${lines.join(', ')}, receive stop -> ok end end)`)
  const rows =
    'ets:insert(cuddle_metrics, [{waiting, 7}, {<<"share">>, 0.5}, {"text", 1}, {beam_fake, 1}, {bad, word}, {"a b", 1}])'
  const owner = await table('ets:new(cuddle_metrics, [named_table, public])', rows)
  const sampler = await createSampler(node)
  await until(async () => 'waiting' in (await sampler.sample()).published)
  assert.deepEqual((await sampler.sample()).published, { waiting: 7, share: 0.5, text: 1 })
  await evaluate(
    node,
    'ets:insert(cuddle_metrics, [{list_to_binary(["n", integer_to_list(N)]), N} || N <- lists:seq(1, 500)])',
  )
  assert.equal(Object.keys((await sampler.sample()).published).length <= 100, true)
  await evaluate(node, 'exit(P, kill)', { P: owner })
  await until(async () => Object.keys((await sampler.sample()).published).length === 0)
  await table('ets:new(cuddle_metrics, [named_table, private])', 'ets:insert(cuddle_metrics, {waiting, 1})')
  await until(async () => isAtom(await evaluate(node, 'is_integer(ets:info(cuddle_metrics, size))'), 'true'))
  assert.deepEqual((await sampler.sample()).published, {})
  assert.deepEqual((await sampler.sample()).published, {})
  sampler.close()
})

test('the sampler measures again after its helper was killed', { skip }, async () => {
  const sampler = await createSampler(node)
  const killed = await evaluate(
    node,
    '[begin exit(P, kill), P end || P <- processes(), {initial_call, {erl_eval, exprs, 2}} <- [process_info(P, initial_call)]]',
  )
  const [helper] = killed as Pid[]
  await until(async () => isAtom(await node.rpc('erlang', 'is_process_alive', [helper]), 'false'))
  await until(async () => (await sampler.sample()).utilisation !== undefined)
  sampler.close()
})

test('the processes that stand out are found', { skip }, async () => {
  const flooded = (await evaluate(
    node,
    'P = spawn(timer, sleep, [600000]), register(flooded, P), [P ! X || X <- lists:seq(1, 500)], P',
  )) as Pid
  const { processes, scanned, total } = await topProcesses(node, { by: 'message_queue_len', limit: 3 })
  assert.equal(processes.length, 3)
  assert.equal(scanned, total)
  const [first] = processes
  assert.deepEqual(first.pid, flooded)
  assert.deepEqual([first.registeredName, first.messageQueueLength, first.value], ['flooded', 500, 500])
  assert.equal(first.initialCall, 'timer:sleep/1')
  const memory = await topProcesses(node, { by: 'memory', limit: 1 })
  assert.ok(memory.processes[0].memory >= memory.processes[0].value / 2)
  const few = await topProcesses(node, { by: 'reductions', windowMs: 20, maxProcesses: 5 })
  assert.equal(few.scanned, 5)
  assert.ok(few.total > 5)
})

test('the supervision tree is walked within limits', { skip }, async () => {
  const trees = await supervisionTree(node)
  const kernel = trees.find(({ application }) => application === 'kernel')!.root!
  assert.equal(kernel.registeredName, 'kernel_sup')
  const net = find(kernel, 'net_sup')!
  assert.ok(net.type === 'supervisor' && net.state === 'running')
  assert.ok(find(net, 'net_kernel')!.pid instanceof Pid)
  assert.equal(trees.find(({ application }) => application === 'stdlib')!.root, undefined)

  const [bounded] = await supervisionTree(node, { applications: ['kernel'], maxChildren: 2 })
  assert.equal(bounded.root!.children, undefined)
  assert.equal(bounded.root!.omitted, kernel.children!.length)
  const [shallow] = await supervisionTree(node, { applications: ['kernel'], maxDepth: 1 })
  assert.ok(find(shallow.root!, 'net_sup')!.omitted! > 0)
})

test('a supervisor that hangs is told, not waited for', { skip }, async () => {
  await evaluate(node, 'sys:suspend(kernel_safe_sup)')
  const [kernel] = await supervisionTree(node, { applications: ['kernel'], supervisorTimeoutMs: 50 })
  await evaluate(node, 'sys:resume(kernel_safe_sup)')
  assert.equal(find(kernel.root!, 'kernel_safe_sup')!.unresponsive, true)
})

function find(tree: SupervisionNode, id: string): SupervisionNode | undefined {
  if (tree.id === id) return tree
  for (const child of tree.children ?? []) {
    const found = find(child, id)
    if (found) return found
  }
  return undefined
}

test('tables are ranked by what they hold', { skip }, async () => {
  const make = 'ets:insert(ets:new(large, [named_table, public]), [{N, N} || N <- lists:seq(1, 20000)])'
  await evaluate(node, `spawn(fun() -> register(keeper, self()), ${make}, receive stop -> ok end end)`)
  const [first] = await until(async () => {
    const tables = await etsTables(node, { by: 'size', limit: 3 })
    return tables[0]!.name === 'large' ? tables : undefined
  })
  assert.deepEqual([first!.size, first!.type, first!.protection, first!.owner], [20000, 'set', 'public', 'keeper'])
  assert.ok(first!.memory > 20000 * 8)
  assert.ok((await etsTables(node, { by: 'memory', limit: 2 })).length === 2)
})

test('allocators hold at least what is used', { skip }, async () => {
  const all = await allocators(node)
  const binaries = all.find(({ name }) => name === 'binary_alloc')!
  assert.ok(binaries.blocks > 0 && all.every(({ blocks, carriers }) => carriers >= blocks), JSON.stringify(all))
  const [, total] = await node.callAll([
    ['erlang', 'node', []],
    ['erlang', 'memory', [atom('total')]],
  ])
  const held = all.reduce((sum, { carriers }) => sum + carriers, 0)
  assert.ok(held > Number(total) / 2, `${held} of ${total}`)
})
