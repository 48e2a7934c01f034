import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNoBusybox } from '../../kubernetes/busybox.ts'
import { cases } from '../case.ts'
import { startOurs, startReal } from '../ends.ts'
import { judge } from '../judge.ts'
import { KnownDifferences, slug } from '../known.ts'
import { differences } from './differences.ts'

const folder = join(import.meta.dirname, 'cases')
for (const file of readdirSync(folder).sort()) if (file.endsWith('.ts')) await import(join(folder, file))

// CONTRACT=text runs only the cases whose name contains it.
const only = process.env['CONTRACT'] ?? ''
const known = new KnownDifferences(differences)

// What can only be asked where pods run: of kubelet, containerd and runc, and of our node agent.
test('contract with a node', { concurrency: 4, timeout: 600_000, skip: whyNoBusybox() ?? false }, async (t) => {
  const [ours, found] = await Promise.all([startOurs(t, { node: true }), startReal(t, process.env, { node: true })])
  const real = 'missing' in found ? undefined : found
  if ('missing' in found) {
    await t.test('the real node', { skip: `only the embedded one was asked: ${found.missing}` }, () => {})
  }
  const chosen = cases().filter(({ name }) => name.includes(only))
  const outcomes: boolean[] = []
  await Promise.all(
    chosen.map((one, index) =>
      t.test(one.name, async () => {
        outcomes.push(await judge(one, `n${index}-${slug(one.name)}`, { ours, real, known }))
      }),
    ),
  )
  if (real) known.report('contract with a node', 'cases', outcomes, only === '')
})
