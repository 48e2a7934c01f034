import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

/** What Kubernetes says about its types and their fields, by the public name of the type: `[of the type, of each field]`. */
export type Prose = Record<string, [about: string, fields: Record<string, string>]>

let kept: WeakRef<Prose> | undefined

/** Unpacked when a document is made, and forgotten again: a megabyte of text that hardly anybody asks for. */
export function prose(): Prose {
  const known = kept?.deref()
  if (known) return known
  const packed = readFileSync(new URL('./prose.json.br', import.meta.url))
  const read = JSON.parse(brotliDecompressSync(packed).toString('utf8')) as Prose
  kept = new WeakRef(read)
  return read
}
