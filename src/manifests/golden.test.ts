import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { parseSpec } from '#spec'
import { type CompileInput, compile, cookieSecret, releaseJob, runJob, toYaml } from './index.ts'

/*
 * One folder a case: input.yaml (`spec` as in cuddle.yaml, the rest of CompileInput where it differs from what is below, and
 * `also`: which Jobs to show) and expected.yaml. A new case is a new folder; UPDATE=1 writes what is compiled.
 */
const golden = join(import.meta.dirname, 'golden')

const digest = 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

function read(name: string): { input: CompileInput; also: string[] } {
  const { spec, also = [], ...rest } = parse(readFileSync(join(golden, name, 'input.yaml'), 'utf8'))
  const parsed = parseSpec(stringify(spec), { file: `${name}/input.yaml` })
  assert.ok(parsed.ok, JSON.stringify(parsed))
  const input: CompileInput = {
    app: 'shop',
    namespace: 'shop',
    release: 7,
    image: `cuddle.local/shop@${digest}`,
    config: {},
    scale: {},
    runtime: 'beam',
    environment: { baseDomain: 'localhost', scheme: 'http' },
    ...rest,
    spec: parsed.spec,
  }
  return { input, also }
}

for (const name of readdirSync(golden).sort()) {
  test(`golden: ${name}`, () => {
    const { input, also } = read(name)
    const before = structuredClone(input)
    const objects = compile(input)
    if (also.includes('release')) objects.push(releaseJob(input)!)
    if (also.includes('run')) {
      objects.push(
        runJob(input, { name: 'shop-run-x7k2p', command: ['bin/shop', 'eval', 'IO.puts("hi")'], env: { A: '$(B)' } }),
      )
    }
    if (also.includes('cookie')) objects.push(cookieSecret(input, 'made-by-the-platform'))
    const text = toYaml(objects, { redact: false })
    assert.deepEqual(input, before, 'the input is not touched')
    assert.equal(toYaml(compile(structuredClone(input)), { redact: false }), toYaml(compile(input), { redact: false }))
    assert.deepEqual(
      parseAllDocuments(text).map((document) => (document as any).toJS()),
      JSON.parse(JSON.stringify(objects)),
      'the YAML says the same',
    )

    const file = join(golden, name, 'expected.yaml')
    if (process.env.UPDATE) writeFileSync(file, text)
    assert.ok(existsSync(file), `${file} is missing: run with UPDATE=1 and read what it says`)
    assert.equal(text, readFileSync(file, 'utf8'), `differs from ${file}; if that is meant, run with UPDATE=1`)
  })
}
