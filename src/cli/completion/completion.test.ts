import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exec } from '#lib'
import { temporaryDirectory } from '#lib/testing'
import { verbs } from '../verbs.ts'
import { bashCompletion } from './bash.ts'
import { fishCompletion } from './fish.ts'
import { completionTable } from './table.ts'
import { zshCompletion } from './zsh.ts'

const commands = Object.fromEntries(
  await Promise.all(
    Object.entries(verbs).map(async ([name, { summary, load }]) => [
      name,
      { summary, command: (await load()).default },
    ]),
  ),
)
const table = completionTable(commands)

/** A `cuddle` that answers as the real one, with a name that no shell should ever run. */
const answers = `#!/bin/sh
case "$*" in
  'apps --json') printf '[\n  {\n    "name": "shop"\n  },\n  {\n    "name": "blog"\n  },\n  {\n    "name": "$(touch ran)"\n  }\n]\n' ;;
  'ps:scale --json --app shop') printf '{\n  "web": 1,\n  "worker": 2\n}\n' ;;
  'ps:scale --json') printf '{\n  "web": 1\n}\n' ;;
  'config --json') printf '[\n  "DATABASE_URL",\n  "DEBUG"\n]\n' ;;
  'releases --json') printf '[\n  {\n    "version": 12\n  },\n  {\n    "version": 3\n  }\n]\n' ;;
  *) exit 1 ;;
esac
`

async function shell(t: TestContext, name: string, completion: string) {
  const directory = temporaryDirectory(t)
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'cuddle'), answers)
  chmodSync(join(bin, 'cuddle'), 0o755)
  const file = join(directory, 'completion')
  writeFileSync(file, completion)
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, HOME: directory }
  return async (script: string, ...args: string[]) => {
    const result = await exec(name, ['-c', script, ...args], { env, cwd: directory })
    assert.equal(result.stderr, '')
    return { file, lines: result.stdout.split('\n').filter(Boolean), ran: await exec('ls', [directory], { env }) }
  }
}

const cases: [string, readonly string[]][] = [
  ['cuddle rel', ['releases', 'releases:info']],
  ['cuddle ps:', ['ps:scale', 'ps:resize', 'ps:restart']],
  ['cuddle logs --fo', ['--follow']],
  ['cuddle logs -a ', ['shop', 'blog']],
  ['cuddle logs --app sh', ['shop']],
  ['cuddle logs --app shop -p w', ['web', 'worker']],
  ['cuddle ps:restart ', ['web']],
  ['cuddle ps:scale --app shop wo', ['worker=']],
  ['cuddle rollback v1', ['v12']],
  ['cuddle config:unset D', ['DATABASE_URL', 'DEBUG']],
  ['cuddle help ver', ['version']],
  ['cuddle completion ', ['bash', 'zsh', 'fish']],
  ['cuddle run -- ', []],
]

test('bash completes commands, options and what exists', async (t) => {
  const run = await shell(t, 'bash', bashCompletion(table))
  for (const [line, wanted] of cases) {
    // As readline calls it; what follows the last : is what it replaces.
    const script = `source completion; COMP_LINE=$0 COMP_POINT=\${#0}; _cuddle 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { lines, ran } = await run(script, line)
    const head = /\S*:$/.exec(line)?.[0] ?? ''
    assert.deepEqual(
      lines.map((word) => head + word),
      wanted,
      line,
    )
    assert.doesNotMatch(ran.stdout, /ran/)
  }
})

test('fish completes the same', async (t) => {
  if ((await exec('fish', ['--version'], { env: process.env }).catch(() => undefined))?.code !== 0)
    return t.skip('needs the Debian package fish')
  const run = await shell(t, 'fish', fishCompletion(table))
  for (const [line, wanted] of cases) {
    const { lines } = await run('source completion; complete -C $argv[1]', line)
    const words = lines.map((word) => word.split('\t')[0])
    assert.deepEqual(words.toSorted(), [...wanted].toSorted(), line)
  }
})

test('zsh reads its completion', async (t) => {
  if ((await exec('zsh', ['--version'], { env: process.env }).catch(() => undefined))?.code !== 0)
    return t.skip('needs the Debian package zsh')
  const run = await shell(t, 'zsh', zshCompletion(table))
  const { lines } = await run(
    `autoload -U compinit; compinit -u; source ./completion; echo \${_comps[cuddle]}; __cuddle_list apps; __cuddle_list processes shop`,
  )
  assert.deepEqual(lines, ['_cuddle', 'shop', 'blog', 'web', 'worker'])
})
