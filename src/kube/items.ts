import type { ListMeta } from './types.ts'

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** How servers begin a list: what it is, then its metadata, then its items. */
const listHead = /^\{"kind":"\w+","apiVersion":"[\w./-]+","metadata":(\{[ -z|~]*\}),"items":\[/

export interface ListHead {
  metadata: ListMeta
  /** Where the first item begins. */
  items: number
}

/** Reads the beginning of a list's JSON; undefined while there is too little of it, or when it does not look as it usually does. */
export function readListHead(text: string): ListHead | undefined {
  const found = listHead.exec(text)
  return found ? { metadata: JSON.parse(found[1]) as ListMeta, items: found[0].length } : undefined
}

/**
 * Parses the items of a list one after the other, from where the first begins, so that what is dropped of one is gone before the next
 * is made. metadata.managedFields are cut out unread: half of what a list holds, and the slow half. Throws what JSON.parse throws.
 */
export function* parseItems(text: string, from: number): Generator<any> {
  let start = from
  while (text.charCodeAt(start) === openBrace) {
    const { end, cutFrom, cutTo } = findItem(text, start)
    yield JSON.parse(cutTo > 0 ? text.slice(start, cutFrom) + text.slice(cutTo, end) : text.slice(start, end))
    start = text.charCodeAt(end) === comma ? end + 1 : end
  }
  if (text.charCodeAt(start) !== closeBracket) throw new SyntaxError('the list ends within its items')
}

/** The end of an object, and where in it the managedFields of its metadata lie with one of the commas around them (0 = nowhere). */
function findItem(text: string, start: number): { end: number; cutFrom: number; cutTo: number } {
  let depth = 0
  let inMetadata = false
  let cutFrom = 0
  let cutTo = 0
  let cutting = false
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const begin = at
      for (at++; at < text.length; at++) {
        const inner = text.charCodeAt(at)
        if (inner === quote) break
        if (inner === backslash) at++
      }
      if (depth > 2) continue
      const isKey = text.charCodeAt(at + 1) === colon
      if (depth === 1 && isKey) inMetadata = at - begin === 9 && text.startsWith('metadata', begin + 1)
      else if (inMetadata && isKey && at - begin === 14 && text.charCodeAt(at + 2) === openBracket) {
        cutting = text.startsWith('managedFields', begin + 1)
        if (cutting) cutFrom = begin
      }
    } else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      depth--
      if (depth === 0) return { end: at + 1, cutFrom, cutTo }
      if (cutting && depth === 2) {
        cutting = false
        cutTo = at + 1
        if (text.charCodeAt(cutTo) === comma) cutTo++
        else if (text.charCodeAt(cutFrom - 1) === comma) cutFrom--
      }
    }
  }
  throw new SyntaxError('the list ends within an item')
}
