import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideHot, type Surroundings } from './decide.ts'
import { diffReleases, type ReleaseListing, type ReleaseModule } from './release-diff.ts'

const module = (name: string, fields: Partial<ReleaseModule> = {}): ReleaseModule => ({
  module: name,
  md5: '1',
  exports: new Set(),
  calls: new Set(),
  behaviours: [],
  version: undefined,
  onLoad: false,
  loadsNif: false,
  structKeys: undefined,
  codeChange: undefined,
  file: `lib/shop-1/ebin/${name}.beam`,
  application: 'shop',
  ...fields,
})

interface Side {
  modules?: ReleaseModule[]
  applications?: Record<string, string>
  specs?: Record<string, string>
  erts?: string
  native?: Record<string, string>
  assets?: Record<string, string>
  config?: Record<string, string>
}

const map = (fields: Record<string, string> = {}) => new Map(Object.entries(fields))
const listing = (side: Side): ReleaseListing => ({
  modules: new Map((side.modules ?? []).map((one) => [one.module, one])),
  applications: map(side.applications),
  specs: map(side.specs),
  erts: side.erts ?? '13.1.5',
  native: map(side.native),
  assets: map(side.assets),
  config: map(side.config),
})

const changed = (before: Partial<ReleaseModule>, after: Partial<ReleaseModule> = before): [Side, Side] => [
  { modules: [module('Elixir.Shop', before)] },
  { modules: [module('Elixir.Shop', { md5: '2', ...after })] },
]
const server = { behaviours: ['gen_server'] }
const cases: [what: string, sides: [Side, Side], expected: RegExp | 'hot', around?: Surroundings][] = [
  ['nothing', [{}, {}], 'hot'],
  ['a plain module', changed({}), 'hot'],
  ['a server without code_change', changed(server), 'hot'],
  ['a server with one', changed({ ...server, codeChange: 'own' }), 'hot'],
  ['a server with that of use GenServer', changed({ ...server, codeChange: 'default' }), 'hot'],
  ['a new module', [{}, { modules: [module('a')] }], 'hot'],
  ['a removed module', [{ modules: [module('a')] }, {}], 'hot'],
  ['a module that turns into a server', changed({}, server), 'hot'],
  ['a struct of the same keys', changed({ structKeys: ['a'] }), 'hot'],
  ['a struct that is new', changed({}, { structKeys: ['a'] }), 'hot'],
  ['a struct with a code_change', changed({ structKeys: ['a'] }, { structKeys: ['a', 'b'], codeChange: 'own' }), 'hot'],
  [
    'another version of the app',
    [
      { applications: { shop: '1' }, modules: [module('a')] },
      { applications: { shop: '2' }, modules: [module('a', { md5: '2' })] },
    ],
    'hot',
  ],
  ['ERTS', [{ erts: '13.1.5' }, { erts: '15.2.7' }], /ERTS changed from 13.1.5 to 15.2.7/],
  ['OTP', [{ applications: { stdlib: '4.2' } }, { applications: { stdlib: '6.2' } }], /stdlib changed from 4.2 to 6.2/],
  [
    'Elixir',
    [{ applications: { elixir: '1.14.0' } }, { applications: { elixir: '1.18.3' } }],
    /elixir changed from 1.14.0/,
  ],
  ['a new dependency', [{}, { applications: { jason: '1.4' } }], /the application jason 1.4 is new/],
  ['a dependency gone', [{ applications: { jason: '1.4' } }, {}], /the application jason 1.4 is gone/],
  [
    'a version without a module',
    [{ applications: { jason: '1.4' } }, { applications: { jason: '1.5' } }],
    /jason changed from 1.4 to 1.5 without a module/,
  ],
  ['an .app file', [{ specs: { shop: 'a' } }, { specs: { shop: 'b' } }], /shop.app changed/],
  [
    'a native library',
    [{ native: { 'shop/priv/a.so': '1' } }, { native: { 'shop/priv/a.so': '2' } }],
    /native library shop\/priv\/a.so/,
  ],
  ['a new native library', [{}, { native: { 'shop/priv/a.so': '2' } }], /native library/],
  ['sys.config', [{ config: { 'sys.config': '1' } }, { config: { 'sys.config': '2' } }], /sys.config changed/],
  ['vm.args', [{ config: { 'vm.args': '1' } }, { config: { 'vm.args': '2' } }], /vm.args changed/],
  ['runtime.exs that appears', [{}, { config: { 'runtime.exs': '2' } }], /runtime.exs changed/],
  ['a NIF', changed({ onLoad: true, loadsNif: true }), /Shop changed and loads a NIF/],
  ['a module that gets a NIF', changed({}, { onLoad: true, loadsNif: true }), /loads a NIF/],
  ['a new NIF', [{}, { modules: [module('a', { onLoad: true, loadsNif: true })] }], /a is new and loads a NIF/],
  ['on_load', changed({ onLoad: true }), /on_load function/],
  ['a new on_load', [{}, { modules: [module('a', { onLoad: true })] }], /a is new and has an on_load/],
  ['the application', changed({ behaviours: ['Elixir.Application'] }), /application module Shop changed/],
  ['an Erlang application', changed({ behaviours: ['application'] }), /application module/],
  ['a supervisor', changed({ behaviours: ['supervisor'] }), 'hot'],
  ['a Supervisor of Elixir', changed({ behaviours: ['Elixir.Supervisor'] }), 'hot'],
  [
    'a supervisor that makes tables',
    changed({ behaviours: ['supervisor'], calls: new Set(['ets']) }),
    /the supervisor Shop changed and calls ets/,
  ],
  ['a DynamicSupervisor', changed({ behaviours: ['Elixir.DynamicSupervisor'] }), /the DynamicSupervisor Shop changed/],
  ['a bridge', changed({ behaviours: ['supervisor_bridge'] }), /supervisor_bridge/],
  ['an event handler', changed({ behaviours: ['gen_event'] }), /handles events/],
  ['a server no more', changed(server, {}), /no gen_server any more/],
  ['a code_change lost', changed({ ...server, codeChange: 'own' }, server), /lost its code_change/],
  [
    'a removed module in use',
    [{ modules: [module('a'), module('b')] }, { modules: [module('b', { calls: new Set(['a']) })] }],
    /a was removed, but is called by b/,
  ],
  ['a struct', changed({ structKeys: ['a'] }, { structKeys: ['a', 'b'] }), /struct Shop changed \(\+b\)/],
  [
    'a struct with the default code_change',
    changed({ structKeys: ['a'] }, { structKeys: ['b'], codeChange: 'default' }),
    /\(\+b, -a\)/,
  ],
  ['a struct that goes', changed({ structKeys: ['a'] }, {}), /struct Shop changed \(-a\)/],
  ['variables', [{}, {}], /configuration changed \(A, B\)/, { environment: ['A', 'B'] }],
  ['the spec', [{}, {}], /the memory of web changed, which needs new pods/, { spec: ['the memory of web'] }],
]

for (const [what, [before, after], expected, around] of cases) {
  test(`${what}: ${expected === 'hot' ? 'hot' : 'not hot'}`, () => {
    const decision = decideHot(diffReleases(listing(before), listing(after)), around)
    if (expected === 'hot') assert.ok(decision.hot, JSON.stringify(decision))
    else {
      assert.ok(!decision.hot)
      assert.equal(decision.reasons.length, 1, decision.reasons.join('\n'))
      assert.match(decision.reasons[0], expected)
    }
  })
}
