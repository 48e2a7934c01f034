import { createHash } from 'node:crypto'
import { stableStringify } from './json.ts'

/** SHA-256 as lower-case hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** A short name-safe hash of any JSON value, in Kubernetes' vowel-free alphabet (rand.SafeEncodeString). */
export function shortHash(value: unknown, length = 10): string {
  const digest = createHash('sha256').update(stableStringify(value)).digest()
  let text = ''
  for (let index = 0; index < length; index++) text += alphabet[digest[index] % alphabet.length]
  return text
}

/** `length` random characters of the same alphabet, as generateName appends. */
export function randomSuffix(length = 5): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('')
}
