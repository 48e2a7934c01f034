import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { until } from '#lib/testing'
import { type BeamNode, connect } from '../distribution/index.ts'
import { evaluate } from '../evaluate.ts'
import { isAtom, listOf, type Term } from '../term/index.ts'
import { type ErlNode, startErl } from '../testing/erl-node.ts'
import { missing } from '../testing/missing.ts'
import type { ConsoleTerminal, Line } from './device.ts'
import { type BeamConsole, openConsole } from './open.ts'

const skip = missing('erl')
const skipElixir = skip || missing('elixir')
const elixirLibs = skipElixir
  ? undefined
  : join(execFileSync('sh', ['-c', 'readlink -f "$(command -v elixir)"'], { encoding: 'utf8' }).trim(), '../../lib')
const cleanups: (() => void | Promise<void>)[] = []
let erl: ErlNode
let watcher: BeamNode

before(async () => {
  if (skip) return
  const paths = elixirLibs ? readdirSync(elixirLibs).flatMap((name) => ['-pa', join(elixirLibs, name, 'ebin')]) : []
  const start = elixirLibs ? ['-eval', '{ok, _} = application:ensure_all_started(elixir)'] : []
  erl = await startErl({ after: (fn) => cleanups.push(fn) }, { args: [...paths, ...start] })
  watcher = await to('rem-watcher@127.0.0.1')
})

after(async () => {
  watcher?.close()
  for (const cleanup of cleanups) await cleanup()
})

const to = (ourName: string) => connect({ name: erl.name, port: erl.port, cookie: erl.cookie, ourName })

/** A person: sees what is shown, and types when asked. */
class Person implements ConsoleTerminal {
  shown = ''
  prompts: { text: string; continued: boolean }[] = []
  readonly #asked: { resolve: (line: Line) => void }[] = []

  write(text: string): void {
    this.shown += text
  }

  readLine(text: string, { continued, signal }: { continued: boolean; signal: AbortSignal }): Promise<Line> {
    this.prompts.push({ text, continued })
    return new Promise((resolve) => {
      const ask = { resolve }
      this.#asked.push(ask)
      signal.addEventListener('abort', () => {
        const at = this.#asked.indexOf(ask)
        if (at >= 0) this.#asked.splice(at, 1)
        resolve('interrupted')
      })
    })
  }

  size() {
    return { columns: 72, rows: 20 }
  }

  get asked(): boolean {
    return this.#asked.length > 0
  }

  /** Answers what is asked, once it is, and waits for what comes next. */
  types(text: string, next: 'asked' | 'nothing' = 'asked'): Promise<string> {
    return this.answers({ text: `${text}\n` }, next)
  }

  async answers(line: Line, next: 'asked' | 'nothing' = 'asked'): Promise<string> {
    await until(() => this.asked)
    const from = this.shown.length
    this.#asked.shift()!.resolve(line)
    if (next === 'asked') await until(() => this.asked)
    return this.shown.slice(from)
  }
}

async function opened(
  language: 'elixir' | 'erlang',
  ourName = 'rem-console@127.0.0.1',
): Promise<{ person: Person; shell: BeamConsole; node: BeamNode }> {
  const node = await to(ourName)
  cleanups.unshift(() => node.close())
  const person = new Person()
  const shell = await openConsole(node, { language, terminal: person })
  await until(() => person.asked)
  return { person, shell, node }
}

/** Processes whose group leader is none of the node's own. */
async function left(): Promise<number> {
  const count = `
    Led = [G || P <- processes(), {group_leader, G} <- [process_info(P, group_leader)]],
    length([G || G <- lists:usort(Led), process_info(G, dictionary) =/= undefined,
                 {initial_call, {erl_eval, _, _}} <- [process_info(G, initial_call)]])`
  return Number(await evaluate(watcher, count))
}

test('an Erlang shell keeps variables, reads over lines, and survives errors', { skip }, async () => {
  const { person, shell, node } = await opened('erlang')
  assert.match(await person.types('X = 20.'), /^20\n/)
  assert.match(await person.types('lists:seq(1,'), /^$/)
  assert.equal(person.prompts.at(-1)!.continued, true)
  assert.match(await person.types(' X div 5).'), /^\[1,2,3,4\]\n/)
  assert.match(await person.types('1/0.'), /exception error/)
  assert.match(await person.types('io:format("~ts ~w~n", ["zoë", X]), io:columns().'), /^zoë 20\n\{ok,72\}\n/)
  assert.match(await person.types('v(2).'), /^\[1,2,3,4\]\n/)
  await person.types('io:get_line("name? ").')
  assert.equal(person.prompts.at(-1)!.text, 'name? ')
  assert.match(await person.types('joe'), /^"joe\\n"\n/)
  assert.deepEqual(await shell.complete('lists:keyso'), { insert: 'rt(', choices: [] })
  const many = await shell.complete('lists:key')
  assert.ok(many.insert === '' && many.choices.some((name) => name.startsWith('keyfind')), JSON.stringify(many))
  await shell.close()
  node.close()
})

test('an interrupt ends what is evaluated, not the shell', { skip }, async () => {
  const { person, shell, node } = await opened('erlang')
  await person.types('Y = 3.')
  await person.types('io:format("begun~n"), timer:sleep(600000).', 'nothing')
  await until(() => person.shown.includes('begun\n'))
  shell.interrupt()
  await until(() => person.asked)
  assert.match(await person.types('Y.'), /^3\n/)
  await person.types('foo(')
  await person.answers('interrupted')
  assert.equal(person.prompts.at(-1)!.continued, false)
  await shell.close()
  node.close()
})

test('the end of input ends the shell, and never the node', { skip }, async () => {
  const { person, shell, node } = await opened('erlang')
  await person.answers('end', 'nothing')
  await shell.ended
  assert.ok(isAtom(await watcher.rpc('init', 'get_status', []).then(first), 'started'))
  node.close()
})

test('who is left behind is given back to the node, whether we leave or are gone', { skip }, async () => {
  for (const end of ['leave', 'vanish'] as const) {
    const { person, shell, node } = await opened('erlang')
    assert.equal(await left(), 1)
    await person.types('register(child, spawn(fun F() -> receive go -> io:format("x"), F() end end)).')
    await person.types('timer:sleep(600000).', 'nothing')
    if (end === 'leave') await shell.close()
    node.close()
    await until(async () => (await left()) === 0)
    const leader = 'element(2, process_info(whereis(child), group_leader)) =:= whereis(user)'
    assert.ok(isAtom(await evaluate(watcher, leader), 'true'), end)
    const sleeping =
      '[P || P <- processes(), {current_function, {timer, sleep, 1}} <- [process_info(P, current_function)]]'
    await until(async () => listOf(await evaluate(watcher, sleeping))?.length === 0)
    await evaluate(watcher, 'exit(whereis(child), kill)')
  }
})

test('two consoles on one node do not meet', { skip }, async () => {
  const [one, other] = await Promise.all([opened('erlang', 'rem-one@127.0.0.1'), opened('erlang', 'rem-two@127.0.0.1')])
  await one.person.types('Z = 1.')
  assert.match(await other.person.types('Z.'), /unbound/)
  await Promise.all([one.shell.close(), other.shell.close()])
  one.node.close()
  other.node.close()
})

test('IEx has its helpers, completion and prompts', { skip: skipElixir }, async () => {
  const { person, shell, node } = await opened('elixir')
  assert.match(await person.types('total = 40'), /40\n/)
  assert.equal(await person.types('if total > 3 do'), '')
  // Until 1.19 IEx says so in its prompt, then it leaves that to its terminal.
  const more = person.prompts.at(-1)!
  assert.ok(more.continued || more.text.startsWith('...'), more.text)
  await person.types('  :yes')
  assert.match(await person.types('end'), /:yes/)
  assert.match(await person.types('raise "on purpose"'), /RuntimeError.*on purpose/)
  assert.match(await person.types('i total'), /Data type[\s\S]*Integer/)
  assert.match(await person.types('IO.puts("日本"); IEx.width()'), /^日本\n72/)
  assert.deepEqual(await shell.complete('tota'), { insert: 'l', choices: [] })
  assert.ok((await shell.complete('Enum.map')).choices.some((name) => name.startsWith('map_every')))
  await person.types('IO.puts("begun"); Process.sleep(:infinity)', 'nothing')
  await until(() => person.shown.includes('begun\n'))
  shell.interrupt()
  await until(() => person.asked)
  assert.match(await person.types('1 + 1'), /^2/)
  await person.answers('end', 'nothing')
  await shell.ended
  node.close()
  await until(async () => (await left()) === 0)
})

const first = (term: Term) => (term as { elements?: readonly Term[] }).elements![0]
