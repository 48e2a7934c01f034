import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatProblem, parseSpec, referenceTable, specReference } from './index.ts'

const page = join(import.meta.dirname, '../../docs/guide/app-spec.md')

function generated(): string {
  const sizes = Object.entries(specReference().sizes).map(
    ([name, { cpu, memory }]) => `| \`${name}\` | ${cpu} | ${memory} |`,
  )
  const sizeTable = ['| Size | CPU | Memory |', '|---|---|---|', ...sizes].join('\n')
  return readFileSync(page, 'utf8')
    .replace(
      /(<!-- fields:.*-->\n)[\s\S]*(<!-- \/fields -->)/,
      (_, start, end) => `${start}${referenceTable()}\n${end}`,
    )
    .replace(/(<!-- sizes:.*-->\n)[\s\S]*(<!-- \/sizes -->)/, (_, start, end) => `${start}${sizeTable}\n${end}`)
}

test('the tables of the reference page are those of the schema', () => {
  const text = generated()
  if (process.env.UPDATE) writeFileSync(page, text)
  assert.equal(readFileSync(page, 'utf8'), text, 'run with UPDATE=1')
})

test('every row of the reference says something', () => {
  for (const { key, type, description } of specReference().fields) {
    assert.ok(type !== 'any' && description !== '', key)
  }
})

test('every example of the reference page is a valid spec', () => {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)]
  assert.ok(blocks.length >= 6)
  for (const [, text] of blocks) {
    const result = parseSpec(text, { file: 'app-spec.md' })
    assert.ok(result.ok, result.ok ? '' : `${text}\n${result.problems.map(formatProblem).join('\n')}`)
  }
})

test('the mistakes that the page shows are told as it shows them', () => {
  const text = 'processes:\n  web:\n    size: small\n'
  const wrong = parseSpec(`${text}scale: { web: 10..2 }\nprocesses2: x\n`, { file: 'cuddle.yaml' })
  assert.ok(!wrong.ok)
  assert.ok(wrong.problems.some(({ message }) => message === 'scale.web: scale 10..2 is the wrong way round'))
})
