import type { Head } from './head.ts'
import { equalsLatin1, latin1 } from './latin1.ts'

/** Fields that a Connection field may name without effect: they frame or route the message, or are the router's own. */
const protectedFields = /^(host|content-length|transfer-encoding|authorization|cookie|x-forwarded-\w+|x-request-id)$/

export interface Target {
  /** The raw Host, from the target's authority when that is in absolute form (RFC 9112 §3.2.2). */
  host: string
  /** Origin form, or `*`. */
  path: string
  absolute: boolean
}

/**
 * Where a request wants to go; undefined when its target is none that a gateway takes. `lastHost`: that of the request
 * before on the same connection, nearly always the same.
 */
export function targetOf(buffer: Buffer, head: Head, method: string, lastHost: string): Target | undefined {
  const host = equalsLatin1(buffer, head.hostStart, head.hostEnd, lastHost)
    ? lastHost
    : latin1(buffer, head.hostStart, head.hostEnd)
  const path = latin1(buffer, head.targetStart, head.targetEnd)
  if (path.charCodeAt(0) === 47) return { host, path, absolute: false }
  if (path === '*') return method === 'OPTIONS' ? { host, path, absolute: false } : undefined
  const match = /^https?:\/\/([^/?#@]+)([^#]*)$/i.exec(path)
  if (!match) return undefined
  const rest = match[2].startsWith('/') ? match[2] : `/${match[2]}`
  return { host: match[1], path: rest, absolute: true }
}

/**
 * The head as it is sent on: hop-by-hop fields gone (RFC 9110 §7.6.1), always HTTP/1.1, `extra` (whole field lines)
 * before the empty line. Writes the version into `buffer`.
 */
export function requestText(buffer: Buffer, head: Head, target: Target, extra: string): string {
  buffer[head.targetEnd + 8] = 49
  const end = head.end - 2
  if (!target.absolute && !head.connectionExtra && head.hosts === 1)
    return `${head.slice(buffer, head.methodStart, end)}${extra}\r\n`
  const method = latin1(buffer, head.methodStart, head.methodEnd)
  let lines = head.slice(buffer, head.targetEnd + 11, end)
  if (target.absolute || head.hosts === 0) lines = `Host: ${target.host}\r\n${without(lines, new Set(['host']))}`
  if (head.connectionExtra) {
    const named = latin1(buffer, head.connectionStart, head.connectionEnd).toLowerCase().split(',')
    lines = without(lines, new Set(named.map((name) => name.trim()).filter((name) => !protectedFields.test(name))))
  }
  return `${method} ${target.path} HTTP/1.1\r\n${lines}${extra}\r\n`
}

/** The response head as it is sent on, without its empty line: hop-by-hop fields gone. `start`: its first byte. */
export function responseText(buffer: Buffer, head: Head, start: number, dropCoding: boolean): string {
  const text = head.slice(buffer, start, head.end - 2)
  if (!dropCoding && !head.connectionExtra) return text
  const names = new Set(dropCoding ? ['transfer-encoding'] : [])
  if (head.connectionExtra) {
    for (const name of latin1(buffer, head.connectionStart, head.connectionEnd).toLowerCase().split(','))
      if (!protectedFields.test(name.trim())) names.add(name.trim())
  }
  const line = text.indexOf('\r\n') + 2
  return text.slice(0, line) + without(text.slice(line), names)
}

function without(lines: string, names: ReadonlySet<string>): string {
  return lines
    .split('\r\n')
    .filter((line) => line !== '' && !names.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map((line) => `${line}\r\n`)
    .join('')
}

/** The method's name, without a new string for the usual one. */
export function methodOf(buffer: Buffer, head: Head): string {
  const { methodStart, methodEnd } = head
  return equalsLatin1(buffer, methodStart, methodEnd, 'GET') ? 'GET' : latin1(buffer, methodStart, methodEnd)
}

/** Methods whose effect is the same when they are sent twice (RFC 9110 §9.2.2). */
export function idempotent(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'PUT' || method === 'DELETE'
}

/** The fields that say for whom a request is, up to the value of the last one. */
export function forwarded(remotes: string, host: string): string {
  return `X-Forwarded-For: ${remotes}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ${host}\r\nX-Request-Id: `
}

/** The id that the client gave its request, if it can be passed on. */
export function requestIdOf(buffer: Buffer, head: Head): string | undefined {
  if (head.requestIdEnd <= head.requestIdStart) return undefined
  const given = latin1(buffer, head.requestIdStart, head.requestIdEnd)
  return /^[\w.+/=-]{1,200}$/.test(given) ? given : undefined
}
