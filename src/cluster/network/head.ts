/**
 * HTTP/1.1 message heads (RFC 9112), parsed from bytes in one strict pass. What another parser could read differently
 * (bare LF, obs-fold, space before the colon, two lengths, length plus chunked …) is refused, never repaired: that is
 * what keeps requests from being smuggled past the router.
 */

import { latin1 } from './latin1.ts'

/** Longest head that is read, bytes. Longer ones are answered 431. */
export const maxHeadBytes = 64 * 1024
/** Longest request target, bytes. Longer ones are answered 414. */
export const maxTargetBytes = 16 * 1024

const maxCuts = 32
const tab = 9
const lf = 10
const cr = 13
const space = 32
const colon = 58

/** 1 for the bytes of a token (RFC 9110 §5.6.2). */
const token = new Uint8Array(256)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  token[character.charCodeAt(0)] = 1
/** 1 for the bytes of a field value: visible, obs-text, space and tab. */
const text = new Uint8Array(256).fill(1, 32)
text[127] = 0
text[tab] = 1

/** What one parse found, as offsets into the buffer it was given. Reused from parse to parse. */
export class Head {
  /** Offset behind the empty line. */
  end = 0
  methodStart = 0
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  status = 0
  /** 0 or 1: the minor version of HTTP/1.x. */
  minor = 1
  hosts = 0
  hostStart = 0
  hostEnd = 0
  /** -1: no Content-Length. */
  contentLength = -1
  chunked = false
  /** A Transfer-Encoding that does not end in chunked: a response runs until the connection closes. */
  otherCoding = false
  close = false
  keepAlive = false
  /** Connection lists `upgrade`. */
  upgrade = false
  upgradeStart = 0
  upgradeEnd = 0
  /** Connection names further fields, which are to be removed (RFC 9110 §7.6.1). */
  connectionExtra = false
  connectionStart = 0
  connectionEnd = 0
  /** All X-Forwarded-For lines, joined. */
  forwardedFor = ''
  requestIdStart = 0
  requestIdEnd = 0
  /** `timeout` of a response's Keep-Alive field, seconds; 0 when it has none. */
  keepAliveTimeout = 0
  /** Field lines that are not passed on: pairs of start, end; adjoining ones merged. */
  readonly cuts = new Int32Array(maxCuts * 2)
  cutCount = 0

  reset(): void {
    this.end = this.methodStart = this.methodEnd = this.targetStart = this.targetEnd = this.status = 0
    this.minor = 1
    this.hosts = this.hostStart = this.hostEnd = 0
    this.contentLength = -1
    this.chunked = this.otherCoding = this.close = this.keepAlive = this.upgrade = false
    this.upgradeStart = this.upgradeEnd = 0
    this.connectionExtra = false
    this.connectionStart = this.connectionEnd = 0
    this.forwardedFor = ''
    this.requestIdStart = this.requestIdEnd = 0
    this.keepAliveTimeout = 0
    this.cutCount = 0
  }

  cut(start: number, end: number): boolean {
    const { cuts, cutCount } = this
    if (cutCount > 0 && cuts[cutCount * 2 - 1] === start) {
      cuts[cutCount * 2 - 1] = end
      return true
    }
    if (cutCount === maxCuts) return false
    cuts[cutCount * 2] = start
    cuts[cutCount * 2 + 1] = end
    this.cutCount++
    return true
  }

  /** The bytes from `start` to `end` without the cut lines, as Latin-1 text. */
  slice(buffer: Buffer, start: number, end: number): string {
    let result = ''
    for (let index = 0; index < this.cutCount; index++) {
      result += latin1(buffer, start, this.cuts[index * 2])
      start = this.cuts[index * 2 + 1]
    }
    return result + latin1(buffer, start, end)
  }
}

/** More bytes are needed. */
export const incomplete = 0

/**
 * Parses a request head that starts at `start`. Returns its end (also in `head.end`), `incomplete`, or minus the status
 * to answer with: 400, 414, 431, 501, 505.
 */
export function parseRequestHead(buffer: Buffer, start: number, length: number, head: Head): number {
  head.reset()
  let at = start
  // One empty line before the request line is skipped (RFC 9112 §2.2).
  if (buffer[at] === cr && at + 1 < length && buffer[at + 1] === lf) at += 2
  const first = at
  head.methodStart = at
  while (at < length && token[buffer[at]] === 1) at++
  if (at === length) return at - first > 32 ? -400 : incomplete
  if (at === first) return buffer[at] === cr && at + 1 === length ? incomplete : -400
  if (buffer[at] !== space || at - first > 32) return -400
  head.methodEnd = at
  head.targetStart = ++at
  while (at < length && buffer[at] > space && buffer[at] !== 127) at++
  if (at - head.targetStart > maxTargetBytes) return -414
  if (at === length) return incomplete
  if (buffer[at] !== space || at === head.targetStart) return -400
  head.targetEnd = at
  const version = parseVersion(buffer, at + 1, length)
  if (version < 0) return version
  if (version === 2) return incomplete
  head.minor = version
  at += 9
  if (at + 1 >= length) return at < length && buffer[at] !== cr ? -400 : incomplete
  if (buffer[at] !== cr || buffer[at + 1] !== lf) return -400
  const end = parseFields(buffer, at + 2, length, head, true)
  if (end <= 0) return end === incomplete && length - start > maxHeadBytes ? -431 : end
  if (end - start > maxHeadBytes) return -431
  if (head.hosts > 1 || (head.hosts === 0 && head.minor === 1)) return -400
  if (head.chunked && (head.contentLength >= 0 || head.minor === 0)) return -400
  return end
}

/** Parses a response head. Returns its end, `incomplete`, or -502 when it is malformed. */
export function parseResponseHead(buffer: Buffer, start: number, length: number, head: Head): number {
  head.reset()
  const version = parseVersion(buffer, start, length)
  if (version < 0) return -502
  if (version === 2 || length - start < 13) return incomplete
  head.minor = version
  if (buffer[start + 8] !== space) return -502
  let status = 0
  for (let index = start + 9; index < start + 12; index++) {
    const digit = buffer[index] - 48
    if (!(digit >= 0 && digit <= 9)) return -502
    status = status * 10 + digit
  }
  if (status < 100 || status > 599) return -502
  head.status = status
  let at = start + 12
  while (at < length && text[buffer[at]] === 1) at++
  if (at + 1 >= length) return at < length && buffer[at] !== cr ? -502 : incomplete
  if (buffer[at] !== cr || buffer[at + 1] !== lf) return -502
  const end = parseFields(buffer, at + 2, length, head, false)
  if (end < 0) return -502
  if (end === incomplete) return length - start > maxHeadBytes ? -502 : incomplete
  if (head.contentLength >= 0 && (head.chunked || head.otherCoding)) return -502
  return end
}

/** The minor version of `HTTP/1.x`, 2 when bytes are missing, or a negative status. */
function parseVersion(buffer: Buffer, at: number, length: number): number {
  if (at + 8 > length) return 2
  // 'HTTP'
  if (buffer[at] !== 72 || buffer[at + 1] !== 84 || buffer[at + 2] !== 84 || buffer[at + 3] !== 80) return -400
  if (buffer[at + 4] !== 47 || buffer[at + 6] !== 46) return -400
  const major = buffer[at + 5] - 48
  const minor = buffer[at + 7] - 48
  if (!(major >= 0 && major <= 9 && minor >= 0 && minor <= 9)) return -400
  if (major !== 1) return -505
  return minor === 0 ? 0 : 1
}

function parseFields(buffer: Buffer, at: number, length: number, head: Head, request: boolean): number {
  for (;;) {
    if (at >= length) return incomplete
    const line = at
    if (buffer[at] === cr) {
      if (at + 1 >= length) return incomplete
      if (buffer[at + 1] !== lf) return -400
      head.end = at + 2
      return head.end
    }
    while (at < length && token[buffer[at]] === 1) at++
    if (at >= length) return incomplete
    if (buffer[at] !== colon || at === line) return -400
    const nameLength = at - line
    at++
    while (at < length && (buffer[at] === space || buffer[at] === tab)) at++
    const value = at
    while (at < length && text[buffer[at]] === 1) at++
    if (at + 1 >= length) return at < length && buffer[at] !== cr ? -400 : incomplete
    if (buffer[at] !== cr || buffer[at + 1] !== lf) return -400
    let end = at
    while (end > value && (buffer[end - 1] === space || buffer[end - 1] === tab)) end--
    at += 2
    const problem = request
      ? requestField(buffer, line, nameLength, value, end, at, head)
      : responseField(buffer, line, nameLength, value, end, at, head)
    if (problem !== 0) return problem
  }
}

/** True when the bytes at `at` are `name` (given in lower case), in any case. */
function named(buffer: Buffer, at: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if ((buffer[at + index] | 32) !== name.charCodeAt(index)) return false
  }
  return true
}

function requestField(
  buffer: Buffer,
  line: number,
  nameLength: number,
  value: number,
  end: number,
  next: number,
  head: Head,
): number {
  switch (nameLength) {
    case 2:
      if (named(buffer, line, 'te') && !head.cut(line, next)) return -431
      return 0
    case 4:
      if (named(buffer, line, 'host')) {
        head.hosts++
        head.hostStart = value
        head.hostEnd = end
      }
      return 0
    case 7:
      if (named(buffer, line, 'upgrade')) {
        // A second Upgrade line would be joined by some and overridden by others.
        if (head.upgradeEnd > 0) return -400
        head.upgradeStart = value
        head.upgradeEnd = end
        if (!head.cut(line, next)) return -431
      }
      return 0
    case 10:
      if (named(buffer, line, 'connection')) {
        connection(buffer, value, end, head)
        if (!head.cut(line, next)) return -431
      } else if (named(buffer, line, 'keep-alive') && !head.cut(line, next)) return -431
      return 0
    case 12:
      if (named(buffer, line, 'x-request-id')) {
        head.requestIdStart = value
        head.requestIdEnd = end
        if (!head.cut(line, next)) return -431
      }
      return 0
    case 14:
      if (named(buffer, line, 'content-length')) return contentLength(buffer, value, end, head)
      if (named(buffer, line, 'http2-settings') && !head.cut(line, next)) return -431
      return 0
    case 15:
      if (named(buffer, line, 'x-forwarded-for')) {
        const list = latin1(buffer, value, end)
        if (list !== '') head.forwardedFor = head.forwardedFor === '' ? list : `${head.forwardedFor}, ${list}`
        if (!head.cut(line, next)) return -431
      }
      return 0
    case 16:
      if ((named(buffer, line, 'x-forwarded-host') || named(buffer, line, 'proxy-connection')) && !head.cut(line, next))
        return -431
      return 0
    case 17:
      if (named(buffer, line, 'transfer-encoding')) {
        // Only chunked, once: no other coding is implemented here, so none may be passed on unseen (RFC 9112 §6.1).
        if (head.chunked) return -400
        if (end - value !== 7 || !named(buffer, value, 'chunked')) return -501
        head.chunked = true
      } else if (named(buffer, line, 'x-forwarded-proto') && !head.cut(line, next)) return -431
      return 0
    default:
      return 0
  }
}

function responseField(
  buffer: Buffer,
  line: number,
  nameLength: number,
  value: number,
  end: number,
  next: number,
  head: Head,
): number {
  switch (nameLength) {
    case 10:
      if (named(buffer, line, 'connection')) {
        connection(buffer, value, end, head)
        if (!head.cut(line, next)) return -502
      } else if (named(buffer, line, 'keep-alive')) {
        const timeout = /timeout=(\d{1,6})/i.exec(latin1(buffer, value, end))
        if (timeout) head.keepAliveTimeout = Number(timeout[1])
        if (!head.cut(line, next)) return -502
      }
      return 0
    case 14:
      return named(buffer, line, 'content-length') ? contentLength(buffer, value, end, head) : 0
    case 16:
      if (named(buffer, line, 'proxy-connection') && !head.cut(line, next)) return -502
      return 0
    case 17:
      if (named(buffer, line, 'transfer-encoding')) {
        const codings = latin1(buffer, value, end).toLowerCase()
        if (head.chunked || head.otherCoding) return -502
        if (/(^|,)[ \t]*chunked$/.test(codings)) head.chunked = true
        else head.otherCoding = true
      }
      return 0
    default:
      return 0
  }
}

function contentLength(buffer: Buffer, value: number, end: number, head: Head): number {
  if (head.contentLength >= 0 || end === value || end - value > 15) return -400
  let total = 0
  for (let at = value; at < end; at++) {
    const digit = buffer[at] - 48
    if (!(digit >= 0 && digit <= 9)) return -400
    total = total * 10 + digit
  }
  head.contentLength = total
  return 0
}

function connection(buffer: Buffer, value: number, end: number, head: Head): void {
  const size = end - value
  if (size === 10 && named(buffer, value, 'keep-alive')) head.keepAlive = true
  else if (size === 5 && named(buffer, value, 'close')) head.close = true
  else {
    head.connectionStart = value
    head.connectionEnd = end
    for (const option of latin1(buffer, value, end).toLowerCase().split(',')) {
      const name = option.trim()
      if (name === 'close') head.close = true
      else if (name === 'keep-alive') head.keepAlive = true
      else if (name === 'upgrade') head.upgrade = true
      else if (name !== '' && name !== 'te') head.connectionExtra = true
    }
  }
}
