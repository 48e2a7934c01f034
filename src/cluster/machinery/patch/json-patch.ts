import { equal, isObject } from '#lib'
import { copy, put } from '../json.ts'
import { PatchError } from '../types.ts'

/** The API server refuses more operations than this (http 413 there). */
export const maxOperations = 10_000

const rejected = 'the server rejected our request due to an error in our request'

function fail(): never {
  throw new PatchError(422, rejected)
}

function tokens(pointer: unknown): string[] {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/'))) fail()
  if (pointer === '') return []
  const parts = pointer.slice(1).split('/')
  if (parts.length > 200) fail()
  return parts.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function child(parent: any, token: string): any {
  if (Array.isArray(parent)) {
    if (!/^(0|[1-9]\d{0,9})$/.test(token) || Number(token) >= parent.length) fail()
    return parent[Number(token)]
  }
  if (!isObject(parent) || !Object.hasOwn(parent, token)) fail()
  return parent[token]
}

/**
 * Applies an RFC 6902 patch and returns the new document; `doc` is left alone. Any operation that cannot be done, `test`
 * included, throws PatchError 422 with the API server's sentence; what is no list of operations gives 400, too many 413.
 */
export function jsonPatch(doc: any, operations: unknown): any {
  if (!Array.isArray(operations)) throw new PatchError(400, 'a JSON patch must be an array of operations')
  if (operations.length > maxOperations)
    throw new PatchError(
      413,
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${operations.length}`,
    )
  const root = { doc: copy(doc) }
  for (const operation of operations) apply(root, operation)
  return root.doc
}

function apply(root: { doc: any }, operation: any): void {
  if (!isObject(operation)) throw new PatchError(400, 'a JSON patch operation must be an object')
  const { op } = operation
  if ((op === 'add' || op === 'replace' || op === 'test') && operation.value === undefined) fail()
  switch (op) {
    case 'add':
      add(root, tokens(operation.path), copy(operation.value))
      return
    case 'remove':
      remove(root, tokens(operation.path))
      return
    case 'replace': {
      const path = tokens(operation.path)
      // The library of the API server does not ask whether a field is there before it replaces it; a list's item must be.
      if (path.length > 0 && Array.isArray(read(root, path.slice(0, -1)))) read(root, path)
      write(root, path, copy(operation.value))
      return
    }
    case 'copy':
      add(root, tokens(operation.path), copy(read(root, tokens(operation.from))))
      return
    case 'move': {
      const from = tokens(operation.from)
      const path = tokens(operation.path)
      if (path.length > from.length && from.every((token, i) => token === path[i])) fail()
      const value = read(root, from)
      remove(root, from)
      add(root, path, value)
      return
    }
    case 'test':
      if (!equal(read(root, tokens(operation.path)), operation.value)) fail()
      return
    default:
      fail()
  }
}

function read(root: { doc: any }, path: string[]): any {
  return path.reduce(child, root.doc)
}

function write(root: { doc: any }, path: string[], value: unknown): void {
  if (path.length === 0) {
    root.doc = value
    return
  }
  const parent = read(root, path.slice(0, -1))
  const last = path.at(-1)!
  if (Array.isArray(parent)) parent[Number(last)] = value
  else if (isObject(parent)) put(parent, last, value)
  else fail()
}

function add(root: { doc: any }, path: string[], value: unknown): void {
  if (path.length === 0) {
    write(root, path, value)
    return
  }
  const parent = read(root, path.slice(0, -1))
  const last = path.at(-1)!
  if (Array.isArray(parent)) {
    const at = last === '-' ? parent.length : /^(0|[1-9]\d{0,9})$/.test(last) ? Number(last) : -1
    if (at < 0 || at > parent.length) fail()
    parent.splice(at, 0, value)
  } else if (isObject(parent)) put(parent, last, value)
  else fail()
}

function remove(root: { doc: any }, path: string[]): void {
  if (path.length === 0) fail()
  read(root, path)
  const parent = read(root, path.slice(0, -1))
  const last = path.at(-1)!
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else delete parent[last]
}
