import { isUtf8 } from 'node:buffer'
import { isObject, type JsonObject } from '#lib'
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

/** Decodes JSON or YAML bytes into a value. Throws StatusError 400. */
export async function decode(bytes: Buffer, type: string, what: string): Promise<unknown> {
  if (!isUtf8(bytes)) throw badRequest(`the body of the request is not valid UTF-8`)
  const text = bytes.toString('utf8')
  try {
    checkDepth(bytes)
    if (type !== 'application/yaml' && !type.endsWith('+yaml')) return JSON.parse(text)
    // Most of what comes as YAML is JSON, and JSON needs no library.
    if (/^\s*[{[]/.test(text)) {
      try {
        return JSON.parse(text)
      } catch {
        // flow-style YAML
      }
    }
    const yaml = await import('yaml')
    return yaml.parse(text, { maxAliasCount: 100, schema: 'core', version: '1.2' })
  } catch (error) {
    const excerpt = text === '' ? '<empty>' : text.slice(0, 200)
    throw badRequest(
      `the object provided is unrecognized (must be of type ${what}): couldn't get version/kind; json parse error: ${(error as Error).message} (${excerpt})`,
    )
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
  if (type !== protobuf) return decode(bytes, type, kind)
  const { decodeProtobuf } = await import('./protobuf/index.ts')
  try {
    return decodeProtobuf(bytes)
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type ${kind}): ${(error as Error).message}`)
  }
}

/** Reads the body as one object of the given Kind. */
export async function readObject(request: ApiRequest, kind: string): Promise<JsonObject> {
  const type = objectType(request)
  const value = await decodeObject(await request.body(bodyLimit), type, kind)
  if (!isObject(value)) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: the body is not an object`,
    )
  }
  return value
}

/** As readObject, for requests whose body may be missing. */
export async function readOptional(request: ApiRequest, kind: string): Promise<JsonObject | undefined> {
  const bytes = await request.body(bodyLimit)
  if (bytes.length === 0) return undefined
  const value = await decodeObject(bytes, objectType(request), kind)
  return isObject(value) ? value : undefined
}

function checkDepth(bytes: Buffer): void {
  if (bytes.length < depthLimit) return
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === 0x5c) index++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthLimit) throw new Error('exceeded max depth')
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
}
