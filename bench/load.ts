import { type ChildProcess, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atom, type BeamNode, connect, numberOf } from '#beam'
import { freePort } from '../scripts/demo/stage.ts'
import { hotRollout, readBeam } from '../src/platform/hot/index.ts'
import { startErl } from './lib/erl.ts'
import { interleaved, missingProgram, report } from './lib/report.ts'

/*
 * 100 changed modules live on three nodes: our hot rollout (expectations checked, prepared, suspended, loaded, verified, committed)
 * against `erl` that calls code:purge and code:atomic_load on the three over erpc, at once. The same nodes, in turns, each after an
 * upgrade of its own: who loads leaves code from before behind, and who purges it first pays for that, module by module and
 * process by process. Then the loading alone, where nobody finds old code.
 */
const modules = 100
const count = 3
const cookie = 'bench'
const directory = mkdtempSync(join(tmpdir(), 'cuddle-bench-load-'))
const children: ChildProcess[] = []

const native = `
-module(bench_load).
-export([run/2]).
run(Nodes, Dir) ->
  Names = [list_to_atom("m" ++ integer_to_list(I)) || I <- lists:seq(1, ${modules})],
  Loads = [begin {ok, B} = file:read_file(filename:join(Dir, atom_to_list(M) ++ ".beam")), {M, atom_to_list(M) ++ ".beam", B} end || M <- Names],
  {Time, _} = timer:tc(fun() ->
    Purged = erpc:multicall(Nodes, lists, foreach, [fun code:purge/1, Names]),
    Loaded = erpc:multicall(Nodes, code, atomic_load, [Loads]),
    {Purged, [{ok, ok} = L || L <- Loaded]}
  end),
  Time.
`

function compile(version: number): Map<string, Buffer> {
  const folder = join(directory, String(version))
  mkdirSync(folder)
  const names = Array.from({ length: modules }, (_, index) => `m${index + 1}`)
  for (const name of names) {
    const clauses = Array.from(
      { length: 20 },
      (_, n) => `f(${n}, X) -> {${name}, X * ${n + version}, "version ${version}"}`,
    )
    writeFileSync(join(folder, `${name}.erl`), `-module(${name}).\n-export([f/2]).\n${clauses.join(';\n')}.\n`)
  }
  execFileSync('erlc', ['+deterministic', ...names.map((name) => `${name}.erl`)], { cwd: folder })
  return new Map(names.map((name) => [name, readFileSync(join(folder, `${name}.beam`))]))
}

async function main(): Promise<void> {
  writeFileSync(join(directory, 'bench_load.erl'), native)
  execFileSync('erlc', ['-o', directory, join(directory, 'bench_load.erl')])
  const versions = [compile(1), compile(2)]
  const port = await freePort()
  const hosts = Array.from({ length: count }, (_, index) => `127.0.0.${index + 2}`)
  const names = await Promise.all(hosts.map((host) => startErl({ host, port, cookie, directory }, children)))
  const caller = await startErl({ host: '127.0.0.9', port, cookie, directory }, children)
  const open = (name: string) => connect({ name, port, cookie, ourName: 'rem-bench@127.0.0.1' })
  const nodes: BeamNode[] = await Promise.all(names.map(open))
  const steering = await open(caller)
  let now = 0
  const erl = async () => {
    now = 1 - now
    const dir = join(directory, String(now + 1))
    const time = await steering.rpc('bench_load', 'run', [names.map(atom), [...Buffer.from(dir)]], {
      timeoutMs: 60_000,
    })
    return numberOf(time)! / 1000
  }
  const ours = async () => {
    const before = versions[now]
    now = 1 - now
    const upgrade = {
      modules: [...versions[now]].map(([name, binary]) => {
        const previous = before.get(name)!
        // As a push does: it knows from the image what runs.
        const [md5, expected] = [binary, previous].map((file) => Buffer.from(readBeam(file).md5, 'hex'))
        return { name, binary, md5, previous, expected }
      }),
    }
    const began = performance.now()
    const outcome = await hotRollout(nodes, upgrade)
    const took = performance.now() - began
    if (outcome.kind !== 'committed') throw new Error(outcome.reason)
    return took
  }
  const purge = () =>
    Promise.all(
      nodes.map((node) => node.callAll([...versions[0].keys()].map((name) => ['code', 'purge', [atom(name)]]))),
    )
  // Pushes are seconds apart: what is done behind one is done before the next, whoever comes next.
  const pause = () => new Promise((resolve) => setTimeout(resolve, 500))
  const again = (load: () => Promise<number>) => async () => {
    await pause()
    await load()
    await pause()
    return load()
  }
  const clean = (load: () => Promise<number>) => async () => {
    await pause()
    await purge()
    return load()
  }
  await erl()
  const times = await interleaved({ ours: again(ours), erl: again(erl) }, 7)
  const loading = await interleaved({ ours: clean(ours), erl: clean(erl) }, 7)

  const what = `${modules} modules live on ${count} nodes`
  report('load', [
    {
      ...{ what, unit: 'ms', better: 'less', goal: 1.2 },
      ...{ ours: times.ours, theirs: times.erl, baseline: 'erl: erpc:multicall of code:purge, code:atomic_load' },
    },
    {
      ...{ what: `${what}, no old code to purge`, unit: 'ms', better: 'less' },
      ...{ ours: loading.ours, theirs: loading.erl, baseline: 'erl: the same' },
    },
  ])
  for (const node of [...nodes, steering]) node.close()
}

const missing = missingProgram('erlc', 'install Erlang/OTP')
try {
  if (missing) report('load', [], { skipped: [missing] })
  else await main()
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
}
