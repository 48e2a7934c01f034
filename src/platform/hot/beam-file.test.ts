import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '#lib/testing'
import { readBeam } from './beam-file.ts'
import { compileErlang } from './testing/erlang.ts'

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const skip = has('erlc') ? false : 'erlc is not on PATH'
const skipElixir = has('elixirc') ? skip : 'elixirc is not on PATH'

test('the md5 is what OTP computes, over all of stdlib', { skip }, () => {
  const program = `D = code:lib_dir(stdlib) ++ "/ebin/", io:format("~ts~n", [D]),
    [begin {ok, B} = file:read_file(F), io:format("~s ~s~n", [filename:basename(F), [io_lib:format("~2.16.0b", [X]) || <<X>> <= code:module_md5(B)]]) end || F <- filelib:wildcard(D ++ "*.beam")], halt().`
  const [directory, ...lines] = execFileSync('erl', ['-noinput', '-boot', 'start_clean', '-eval', program])
    .toString()
    .trim()
    .split('\n')
  assert.ok(lines.length > 50 && readdirSync(directory).length > 50)
  for (const line of lines) {
    const [name, md5] = line.split(' ')
    assert.equal(readBeam(readFileSync(join(directory, name))).md5, md5, name)
  }
})

test('what an Erlang module is', { skip }, (t) => {
  const source = (
    name: string,
    body: string,
  ) => `-module(${name}).\n-behaviour(gen_server).\n-export([init/1,handle_call/3,handle_cast/2,code_change/3,f/0]).\n-on_load(f/0).\n-vsn(v7).
f() -> erlang:load_nif("x", 0).\ninit(X) -> {ok, X}.\nhandle_call(_, _, S) -> {noreply, S}.\nhandle_cast(_, S) -> {noreply, S}.\n${body}`
  const files = compileErlang(temporaryDirectory(t), {
    lazy: source('lazy', 'code_change(_, S, _) -> {ok, S}.'),
    busy: source('busy', 'code_change(_, S, _) -> {ok, {S}}.'),
    plain: '-module(plain).\n-export([f/0]).\nf() -> lists:sort([1]).',
  })
  const lazy = readBeam(files.get('lazy')!)
  assert.deepEqual(
    [lazy.module, lazy.behaviours, lazy.onLoad, lazy.loadsNif, lazy.codeChange],
    ['lazy', ['gen_server'], true, true, 'default'],
  )
  assert.equal(readBeam(files.get('busy')!).codeChange, 'own')
  const plain = readBeam(files.get('plain')!)
  assert.deepEqual(
    [plain.onLoad, plain.codeChange, plain.calls.has('lists'), plain.exports.has('f/0')],
    [false, undefined, true, true],
  )
})

test('what an Elixir module is', { skip: skipElixir }, (t) => {
  const directory = temporaryDirectory(t)
  const code = 'defmodule Shop do\n  use GenServer\n  defstruct [:name, count: 0]\n  def init(x), do: {:ok, x}\nend'
  execFileSync(
    'elixir',
    [
      '-e',
      `File.cd!(System.get_env("OUT")); for {m, b} <- Code.compile_string(${JSON.stringify(code)}), do: File.write!("#{m}.beam", b)`,
    ],
    { env: { ...process.env, OUT: directory } },
  )
  const shop = readBeam(readFileSync(join(directory, 'Elixir.Shop.beam')))
  assert.deepEqual(
    [shop.module, shop.structKeys, shop.codeChange],
    ['Elixir.Shop', ["'__struct__'", 'count', 'name'], 'default'],
  )
})

test('what is no BEAM file says so', () => {
  for (const bytes of ['', 'FOR1', 'FOR1\0\0\0\x04BEAMAtU8\xff\xff\xff\xff']) {
    assert.throws(() => readBeam(Buffer.from(bytes, 'latin1'), 'x.beam'), {
      code: 'bad-beam',
      message: 'x.beam is no BEAM file',
    })
  }
})
