import { errorMessage } from '#lib'
import type { Case } from './case.ts'
import { Client, type Step } from './client.ts'
import { compare, show } from './compare.ts'
import type { TestEnd } from './ends.ts'
import { complaint, type KnownDifferences } from './known.ts'
import { normalise } from './normalise.ts'

/** Differences of one case that are shown. */
const most = Number(process.env['CONTRACT_SHOWN'] ?? 20)

/**
 * Has a conversation, in a namespace called `name`, with both ends. Fails for differences that are not known; true when there are
 * none at all.
 */
export async function judge(
  one: Case,
  name: string,
  { ours, real, known }: { ours: TestEnd; real: TestEnd | undefined; known: KnownDifferences },
): Promise<boolean> {
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
