import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { CuddleError } from '#lib'
import { setConfig } from '#platform'
import { appName } from '../app-name.ts'
import { appOption, type Command, type Invocation } from '../command.ts'
import { connect } from '../connect.ts'
import { follow, waiting, waitOption } from '../follow.ts'

export default {
  summary: 'Sets config vars and rolls them out as a release.',
  usage: 'KEY=VALUE… | KEY=@FILE | KEY=-',
  describe:
    'KEY=@FILE reads the value from a file and KEY=- from standard input, so that a secret need not stand in your shell history.\nKEY=\\\\@… and KEY=\\\\- are values that start with @, or are -.',
  positionals: [1, 500],
  options: { ...appOption, ...waitOption },
  examples: [
    'cuddle config:set POOL_SIZE=10',
    'cuddle config:set TLS_KEY=@key.pem',
    'pass show db | cuddle config:set DATABASE_URL=-',
  ],
  async run(invocation) {
    const changes = new Map<string, string>()
    for (const word of invocation.positionals) {
      const equals = word.indexOf('=')
      if (equals < 1)
        throw new CuddleError('usage', `"${word.slice(0, 40)}" is not KEY=VALUE`, {
          hint: 'cuddle config:set KEY=VALUE',
        })
      changes.set(word.slice(0, equals), await readValue(word.slice(equals + 1), invocation.cwd))
    }
    return changeConfig(invocation, Object.fromEntries(changes))
  },
} satisfies Command

async function readValue(word: string, cwd: string): Promise<string> {
  if (word === '-') return (await text(process.stdin)).replace(/\n$/, '')
  if (/^\\(@|-$)/.test(word)) return word.slice(1)
  if (!word.startsWith('@')) return word
  const path = resolve(cwd, word.slice(1))
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new CuddleError('usage', `cannot read ${path}`, {
      hint: 'KEY=@FILE reads a file; write KEY=\\\\@… for a value that starts with @',
      cause: error,
    })
  }
  const decoded = bytes.toString('utf8')
  if (!Buffer.from(decoded, 'utf8').equals(bytes)) {
    throw new CuddleError('bad-config', `${path} is not text`, {
      hint: 'an environment variable carries text only; encode it, e.g. with base64',
    })
  }
  return decoded.replace(/\n$/, '')
}

/** Carries a change out and follows its release. */
export async function changeConfig(invocation: Invocation, changes: Record<string, string | null>): Promise<number> {
  const context = connect(invocation)
  const name = await appName(invocation)
  const release = await setConfig(context, name, changes, waiting(invocation))
  if (release) return follow(invocation, context, name, release)
  invocation.out.note('nothing changed: no new release')
  invocation.out.data({ app: name, changed: false })
  return 0
}
