import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CuddleError } from '#lib'
import { type Command, helpOf, parseWords } from './command.ts'
import { verbs } from './verbs.ts'

const command: Command = {
  summary: 'A test.',
  usage: 'NAME',
  positionals: [1, 1],
  options: {
    app: { type: 'string', short: 'a', describe: 'the app' },
    force: { type: 'boolean', describe: 'at all costs' },
  },
  examples: ['cuddle test x'],
  rest: true,
  run: async () => 0,
}

test('reads options, arguments and what stands behind --', () => {
  const parsed = parseWords('test', command, ['x', '-a', 'shop', '--force', '--', 'ls', '-l'])
  assert.equal(parsed.values.app, 'shop')
  assert.equal(parsed.values.force, true)
  assert.deepEqual(parsed.positionals, ['x'])
  assert.deepEqual(parsed.rest, ['ls', '-l'])
})

test('what is mistyped is named, with what was most likely meant', () => {
  const cases: [string[], RegExp, RegExp][] = [
    [['x', '--forse'], /no option --forse/, /--force/],
    [['x', '--app'], /--app needs a value/, /--help/],
    [[], /needs NAME/, /--help/],
    [['x', 'y'], /"y"/, /--help/],
  ]
  for (const [words, message, hint] of cases) {
    assert.throws(
      () => parseWords('test', command, words),
      (error) => error instanceof CuddleError && message.test(error.message) && hint.test(error.hint ?? ''),
    )
  }
})

test('a command to run that does not stand behind -- is told where it belongs', () => {
  const run = { ...command, positionals: [0, 0] as const }
  assert.throws(
    () => parseWords('run', run, ['-a', 'shop', 'ls', '-l', 'a b']),
    (error) => error instanceof CuddleError && error.hint === "cuddle run -a shop -- ls -l 'a b'",
  )
})

test('every command has a summary, an example that calls it, and a help page', async () => {
  for (const [name, entry] of Object.entries(verbs)) {
    const { default: loaded } = await entry.load()
    assert.match(loaded.summary, /\.( |$)/, name)
    assert.ok(
      loaded.examples.some((example) => example.includes(`cuddle ${name}`)),
      `${name} has an example`,
    )
    assert.match(helpOf(name, loaded), /usage: cuddle/)
  }
})

test('help fits the terminal', async () => {
  for (const width of [60, 80, 120]) {
    for (const [name, entry] of Object.entries(verbs)) {
      const { default: loaded } = await entry.load()
      const [text] = helpOf(name, loaded, width).split(/\nexamples?:\n/)
      for (const line of text.split('\n')) if (!line.startsWith('usage:')) assert.ok(line.length <= width, line)
    }
  }
})
