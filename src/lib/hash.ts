import type * as crypto from 'node:crypto'
import { stableStringify } from './json.ts'

/** Loaded when first used: most commands hash nothing, and it is a tenth of their start. */
const createHash: typeof crypto.createHash = (...args) => process.getBuiltinModule('node:crypto').createHash(...args)

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
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('')
}
