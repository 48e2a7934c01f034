import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorMessage } from '#lib'
import { type Case, cases } from './case.ts'
import { Client, type Step } from './client.ts'
import { compare, type Difference, show } from './compare.ts'
import { differences, type KnownDifference } from './differences.ts'
import { startOurs, startReal, type TestEnd } from './ends.ts'
import { normalise } from './normalise.ts'

const folder = join(import.meta.dirname, 'cases')
for (const file of readdirSync(folder).sort()) if (file.endsWith('.ts')) await import(join(folder, file))

// CONTRACT=text runs only the cases whose name contains it.
const only = process.env['CONTRACT'] ?? ''
/** Differences of one case that are shown. */
const most = Number(process.env['CONTRACT_SHOWN'] ?? 20)
const used = new Map<KnownDifference, number>()

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
  if (!there) return
  const same = outcomes.filter(Boolean).length
  const known = `${outcomes.length - same} but for known differences (${differences.length})`
  console.log(`contract: of ${outcomes.length} cases ${same} are the same on both, ${known}:`)
  for (const known of differences) {
    console.log(`  ${used.get(known) ?? 0} × ${known.in}: ${known.why}`)
    const gone = only === '' && !used.has(known)
    assert.ok(!gone, `a difference of the table shows no more, take it out: ${known.in} ${known.at}`)
  }
})

/** Fails for differences that are not known; true when there are none at all. */
async function judge(one: Case, name: string, ours: TestEnd, real: TestEnd | undefined): Promise<boolean> {
  const [mine, theirs] = await Promise.all([converse(one, name, ours), real && converse(one, name, real)])
  if (theirs?.error)
    throw complaint(`the real API server does not say what the case expects: ${errorMessage(theirs.error)}`)
  const found = theirs ? compare(normalise(theirs.steps), normalise(mine.steps)) : []
  if (mine.error) found.push({ at: 'assertion', real: 'holds', ours: errorMessage(mine.error) })
  const news = found.filter((difference) => !isKnown(one, difference))
  if (news.length === 0) return found.length === 0
  const more = news.length > most ? `\n… and ${news.length - most} more` : ''
  throw complaint(`${news.length} differences\n${news.slice(0, most).map(show).join('\n')}${more}`)
}

/** Where it was thrown tells nothing. */
function complaint(message: string): Error {
  const error = new Error(message)
  error.stack = message
  return error
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

function isKnown(one: Case, { at }: Difference): boolean {
  const known = differences.find(
    (known) => (typeof known.in === 'string' ? known.in === one.name : known.in.test(one.name)) && known.at.test(at),
  )
  if (known) used.set(known, (used.get(known) ?? 0) + 1)
  return known !== undefined
}

function slug(name: string): string {
  const words = name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return words.slice(0, 24).replace(/^-|-$/g, '')
}
