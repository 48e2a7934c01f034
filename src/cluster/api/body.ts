import { isUtf8 } from 'node:buffer'
import { isObject, type JsonObject } from '#lib'
import { jsonError } from './json-error.ts'
import type { ApiRequest } from './request.ts'
import { badRequest, StatusError } from './status.ts'

/** Largest request body, as kube-apiserver's MaxRequestBodyBytes. */
export const bodyLimit = 3 * 1024 * 1024

/** Deeper documents are refused before anything recursive sees them. */
const depthLimit = 500

const objectTypes = 'application/json, application/yaml, application/vnd.kubernetes.protobuf'

export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0].trim().toLowerCase()
}

export function unsupportedMediaType(accepted: string): StatusError {
  return new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  )
}

/** Decodes JSON or YAML bytes into a value. `refuse` makes the error of what is wrong with them. */
export async function decode(bytes: Buffer, type: string, refuse: (problem: string) => Error): Promise<unknown> {
  if (!isUtf8(bytes)) throw badRequest(`the body of the request is not valid UTF-8`)
  const text = bytes.toString('utf8')
  if (!shallow(bytes)) throw refuse('exceeded max depth')
  const yaml = type === 'application/yaml' || type.endsWith('+yaml')
  // Most of what comes as YAML is JSON, and JSON needs no library.
  if (!yaml || /^\s*[{[]/.test(text)) {
    try {
      return JSON.parse(text)
    } catch {
      if (!yaml) throw refuse(jsonError(bytes))
    }
  }
  const { parse } = await import('yaml')
  try {
    return parse(text, { maxAliasCount: 100, schema: 'core', version: '1.2' })
  } catch (error) {
    throw refuse(`error converting YAML to JSON: yaml: ${(error as Error).message}`)
  }
}

const protobuf = 'application/vnd.kubernetes.protobuf'
const objectMediaTypes = new Set(['', 'application/json', 'application/yaml', protobuf])

/** The type of a body that is an object, or 415. */
function objectType(request: ApiRequest): string {
  const type = mediaType(request.headers['content-type'])
  if (!objectMediaTypes.has(type)) throw unsupportedMediaType(objectTypes)
  return type
}

/** Typed clients of client-go ≥ 0.32 send protobuf and know no fallback; the decoder is loaded when the first one does. */
async function decodeObject(bytes: Buffer, type: string, kind: string): Promise<unknown> {
  if (type !== protobuf) return decode(bytes, type, (problem) => unrecognized(kind, bytes, parseProblem(problem)))
  const { decodeProtobuf } = await import('./protobuf/index.ts')
  try {
    return decodeProtobuf(bytes)
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type ${kind}): ${(error as Error).message}`)
  }
}

const parseProblem = (problem: string) => `couldn't get version/kind; json parse error: ${problem}`

/** 400 for what is no object at all, with the beginning of it (apiserver transformDecodeError). */
function unrecognized(kind: string, bytes: Buffer, problem: string): StatusError {
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${problem} (${excerpt(bytes)})`)
}

const excerptLength = 30

function excerpt(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>'
  const head = bytes.subarray(0, excerptLength).toString(bytes[0] === 0x7b ? 'utf8' : 'hex')
  return bytes.length > excerptLength ? `${head} ...` : head
}

/** JSON's name of a type as Go's decoder gives it. */
export function jsonType(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
}

const typeMeta =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

/** Reads the body as one object of the given Kind; `custom` where only a definition knows it, so that it must say its kind. */
export async function readObject(request: ApiRequest, kind: string, custom = false): Promise<JsonObject> {
  const type = objectType(request)
  const bytes = await request.body(bodyLimit)
  const value = (await decodeObject(bytes, type, kind)) ?? {}
  if (!isObject(value)) {
    const problem = `json: cannot unmarshal ${jsonType(value)} into Go value of type ${typeMeta}`
    throw unrecognized(kind, bytes, parseProblem(problem))
  }
  for (const field of ['apiVersion', 'kind']) {
    if (value[field] === undefined || value[field] === null || typeof value[field] === 'string') continue
    const problem = `json: cannot unmarshal ${jsonType(value[field])} into Go struct field .${field} of type string`
    throw unrecognized(kind, bytes, parseProblem(problem))
  }
  if (custom && !value['kind']) throw unrecognized(kind, bytes, `Object 'Kind' is missing in '${bytes}'`)
  return value
}

/** As readObject, for requests whose body may be missing. */
export async function readOptional(request: ApiRequest): Promise<JsonObject | undefined> {
  const bytes = await request.body(bodyLimit)
  if (bytes.length === 0) return undefined
  const type = objectType(request)
  const value =
    type === protobuf
      ? await decodeObject(bytes, type, 'DeleteOptions')
      : await decode(bytes, type, (problem) => badRequest(parseProblem(problem)))
  return isObject(value) ? value : undefined
}

/** Whether a document is nested no deeper than anything recursive can bear. */
function shallow(bytes: Buffer): boolean {
  if (bytes.length < depthLimit) return true
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === 0x5c) index++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthLimit) return false
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return true
}
