import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorMessage } from '#lib'
import { type Case, cases } from './case.ts'
import { Client, type Step } from './client.ts'
import { compare, show } from './compare.ts'
import { differences } from './differences.ts'
import { startOurs, startReal, type TestEnd } from './ends.ts'
import { complaint, KnownDifferences, slug } from './known.ts'
import { normalise } from './normalise.ts'

const folder = join(import.meta.dirname, 'cases')
for (const file of readdirSync(folder).sort()) if (file.endsWith('.ts')) await import(join(folder, file))

// CONTRACT=text runs only the cases whose name contains it.
const only = process.env['CONTRACT'] ?? ''
/** Differences of one case that are shown. */
const most = Number(process.env['CONTRACT_SHOWN'] ?? 20)
const known = new KnownDifferences(differences)

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
        outcomes.push(await judge(one, `c${index}-${slug(one.name)}`, ours, there))
      }),
    ),
  )
  if (there) known.report('contract', 'cases', outcomes, only === '')
})

/** Fails for differences that are not known; true when there are none at all. */
async function judge(one: Case, name: string, ours: TestEnd, real: TestEnd | undefined): Promise<boolean> {
  const [mine, theirs] = await Promise.all([converse(one, name, ours), real && converse(one, name, real)])
  if (theirs?.error)
    throw complaint(`the real API server does not say what the case expects: ${errorMessage(theirs.error)}`)
  const found = theirs ? compare(normalise(theirs.steps), normalise(mine.steps)) : []
  if (mine.error) found.push({ at: 'assertion', real: 'holds', ours: errorMessage(mine.error) })
  const news = known.news(one.name, found)
  if (news.length === 0) return found.length === 0
  const more = news.length > most ? `\n… and ${news.length - most} more` : ''
  throw complaint(`${news.length} differences\n${news.slice(0, most).map(show).join('\n')}${more}`)
}

async function converse(one: Case, name: string, end: TestEnd): Promise<{ steps: Step[]; error?: unknown }> {
  const client = new Client(end, name)
  try {
    await client.begin()
    await one.talk(client)
    return { steps: client.steps }
  } catch (error) {
    return { steps: client.steps, error }
  } finally {
    await client.finish().catch(() => {})
  }
}
