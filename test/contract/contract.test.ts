import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cases } from './case.ts'
import { differences } from './differences.ts'
import { startOurs, startReal } from './ends.ts'
import { judge } from './judge.ts'
import { KnownDifferences, slug } from './known.ts'

const folder = join(import.meta.dirname, 'cases')
for (const file of readdirSync(folder).sort()) if (file.endsWith('.ts')) await import(join(folder, file))

// CONTRACT=text runs only the cases whose name contains it.
const only = process.env['CONTRACT'] ?? ''
/** CONTRACT_STRICT=1 takes nothing for known: it shows what the table covers. */
const strict = process.env['CONTRACT_STRICT'] === '1'
const known = new KnownDifferences(strict ? [] : differences)

test('contract', { concurrency: 4, timeout: 600_000 }, async (t) => {
  const [ours, real] = await Promise.all([startOurs(t), startReal(t, process.env)])
  const there = 'missing' in real ? undefined : real
  if ('missing' in real) {
    await t.test('the real API server', { skip: `only the embedded one was asked: ${real.missing}` }, () => {})
  }
  const chosen = cases().filter(({ name }) => name.includes(only))
  const outcomes: boolean[] = []
  await Promise.all(
    chosen.map((one, index) =>
      t.test(one.name, async (t) => {
        if (one.controllers && there && !there.controllers) {
          t.skip('needs controllers, and there is no kube-controller-manager')
          return
        }
        outcomes.push(await judge(one, `c${index}-${slug(one.name)}`, { ours, real: there, known }))
      }),
    ),
  )
  if (there) known.report('contract', 'cases', outcomes, only === '')
})
