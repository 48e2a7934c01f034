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
 *
 * Where an item ends is guessed from how the first begins, which takes no look at most of the text. A wrong guess does not parse, for no
 * object is the beginning of another; then the text is gone through.
 */
export function* parseItems(text: string, from: number): Generator<any> {
  const first = /\{"\w+":["{]/y
  first.lastIndex = from
  const border = `},${first.exec(text)?.[0]}`
  const lastEnd = text.lastIndexOf(']')
  let fields = from
  let wrong = 0
  let start = from
  while (text.charCodeAt(start) === openBrace) {
    if (fields >= 0 && fields < start) fields = text.indexOf(managedFields, start)
    const next = text.indexOf(border, start)
    const end = next < 0 ? lastEnd : next + 1
    let item = wrong < tolerated ? parseGuess(text, start, end, fields) : undefined
    if (item) start = end
    else {
      wrong++
      const found = findItem(text, start)
      item = JSON.parse(without(text, start, found.end, found))
      start = found.end
    }
    yield item
    if (text.charCodeAt(start) === comma) start++
  }
  if (text.charCodeAt(start) !== closeBracket) throw new SyntaxError('the list ends within its items')
}

const metadata = '"metadata"'
const managedFields = '"managedFields":['
/** So many wrong guesses, and the items are of a kind that is not for guessing. */
const tolerated = 3

function parseGuess(text: string, start: number, end: number, fields: number): object | undefined {
  let cut: Cut = nothing
  if (fields >= 0 && fields < end) {
    const close = text.indexOf(']', fields)
    if (close < 0 || close >= end || !isOfMetadata(text, start, fields)) return undefined
    cut = withComma(text, fields, close + 1)
  }
  try {
    return JSON.parse(without(text, start, end, cut))
  } catch {
    return undefined
  }
}

/** A part of the text; nothing if it ends at 0. */
interface Cut {
  cutFrom: number
  cutTo: number
}

const nothing: Cut = { cutFrom: 0, cutTo: 0 }

function without(text: string, start: number, end: number, { cutFrom, cutTo }: Cut): string {
  return cutTo > 0 ? text.slice(start, cutFrom) + text.slice(cutTo, end) : text.slice(start, end)
}

/** A member of an object with one of the commas around it. */
function withComma(text: string, cutFrom: number, cutTo: number): Cut {
  if (text.charCodeAt(cutTo) === comma) return { cutFrom, cutTo: cutTo + 1 }
  return { cutFrom: text.charCodeAt(cutFrom - 1) === comma ? cutFrom - 1 : cutFrom, cutTo }
}

/** Does what stands at `at` lie in the metadata of the object itself? */
function isOfMetadata(text: string, start: number, at: number): boolean {
  let depth = 0
  let inMetadata = false
  for (let index = start; index < at; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) {
      const begin = index
      index = closingQuote(text, begin)
      if (depth === 1 && text.charCodeAt(index + 1) === colon) inMetadata = text.startsWith(metadata, begin)
    } else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
  }
  return depth === 2 && inMetadata
}

function closingQuote(text: string, begin: number): number {
  let index = begin + 1
  for (; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) break
    if (code === backslash) index++
  }
  return index
}

/** The end of an object, and where in it the managedFields of its metadata lie. */
function findItem(text: string, start: number): Cut & { end: number } {
  let depth = 0
  let inMetadata = false
  let cutFrom = 0
  let cut = nothing
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const begin = at
      at = closingQuote(text, at)
      if (depth > 2) continue
      const isKey = text.charCodeAt(at + 1) === colon
      if (depth === 1 && isKey) inMetadata = text.startsWith(metadata, begin)
      else if (inMetadata && isKey && text.startsWith(managedFields, begin)) cutFrom = begin
    } else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      depth--
      if (depth === 0) return { end: at + 1, ...cut }
      if (cutFrom > 0 && depth === 2) {
        cut = withComma(text, cutFrom, at + 1)
        cutFrom = 0
      }
    }
  }
  throw new SyntaxError('the list ends within an item')
}
