import type { KubeObject } from '#kube'
import { type ResourceInfo, table } from '../machinery/index.ts'
import type { Stored } from '../store/index.ts'
import { fromStorage } from './convert.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { badRequest, StatusError } from './status.ts'

export interface Format {
  readonly as: 'object' | 'table' | 'partial'
  /** Table v1beta1 is asked for by old kubectls; the shape is the same. */
  readonly version: string
  readonly yaml: boolean
}

const accepted = 'application/json, application/yaml, application/vnd.kubernetes.protobuf'

export function notAcceptable(): StatusError {
  return new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${accepted}`)
}

const produced = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const streamed = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']

/** 406 before anything else is looked at, where not even the type of an alternative is one that is produced here. */
export function checkAcceptable(request: ApiRequest, collection: boolean): void {
  const header = request.headers['accept']
  if (!header || header === 'application/json') return
  const types = header.split(',').map((alternative) => alternative.split(';', 1)[0].trim())
  if (types.some((type) => type === '*/*' || produced.includes(type))) return
  const list = [...produced, ...(collection ? streamed : [])].join(', ')
  throw new StatusError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${list}`, {})
}

const plain: Format = { as: 'object', version: '', yaml: false }

/** Reads the Accept header, left to right: the first alternative that can be served wins. Throws 406 when none can. */
export function negotiate(request: ApiRequest): Format {
  const header = request.headers['accept']
  if (!header || header === 'application/json') return plain
  for (const alternative of header.split(',')) {
    const [type, ...parameters] = alternative.split(';').map((part) => part.trim())
    const media = type.toLowerCase()
    const json = media === 'application/json' || media === '*/*' || media === 'application/*'
    const yaml = media === 'application/yaml'
    if (!json && !yaml) continue
    const options = new Map(parameters.map((part) => part.split('=', 2) as [string, string]))
    const as = options.get('as')
    if (!as) return { as: 'object', version: '', yaml }
    if (options.get('g') !== 'meta.k8s.io') continue
    const version = options.get('v') ?? 'v1'
    if (version !== 'v1' && version !== 'v1beta1') continue
    if (as === 'Table') return { as: 'table', version, yaml }
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { as: 'partial', version, yaml }
  }
  throw notAcceptable()
}

const browsers = /^(curl|Wget|Mozilla\/5\.0)/

/** A value as the response body: compact JSON, indented for people (`?pretty`, curl, browsers), or YAML. */
export async function render(
  request: ApiRequest,
  format: Format,
  status: number,
  value: unknown,
): Promise<ApiResponse> {
  if (format.yaml) {
    const { stringify } = await import('yaml')
    return { status, headers: { 'content-type': 'application/yaml' }, body: Buffer.from(stringify(value)) }
  }
  const text = pretty(request) ? JSON.stringify(value, null, 2) : JSON.stringify(value)
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) }
}

export function pretty(request: ApiRequest): boolean {
  const asked = request.query.get('pretty')
  if (asked !== null) return asked !== 'false' && asked !== '0'
  return browsers.test(request.headers['user-agent'] ?? '')
}

/** One object, in the form that was asked for. Stored bytes go out as they are. */
export async function renderObject(
  request: ApiRequest,
  info: ResourceInfo,
  status: number,
  stored: Stored,
  now: number,
  format = negotiate(request),
): Promise<ApiResponse> {
  if (format.as === 'object' && !format.yaml && !pretty(request)) {
    return { status, headers: { 'content-type': 'application/json' }, body: bytesOf(info, stored) }
  }
  const object = fromStorage(info, stored.object)
  return render(request, format, status, shape(request, info, [object], format, now, object.metadata.resourceVersion))
}

/** The bytes of an object at the version of `info`. */
export function bytesOf(info: ResourceInfo, stored: Stored): Buffer {
  const object = fromStorage(info, stored.object)
  return object === stored.object ? stored.bytes : Buffer.from(JSON.stringify(object))
}

/** Objects as a Table, as PartialObjectMetadata, or the one object itself. */
export function shape(
  request: ApiRequest,
  info: ResourceInfo,
  objects: readonly KubeObject[],
  format: Format,
  now: number,
  resourceVersion: string | undefined,
): unknown {
  if (format.as === 'table') return tableOf(request, info, objects, format, now, { resourceVersion })
  return format.as === 'partial' ? partial(objects[0], format) : objects[0]
}

export function partial(object: KubeObject, format: Format): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${format.version}`, metadata: object.metadata }
}

/** metav1.Table with rows whose object is what includeObject asks for (Metadata unless told). */
export function tableOf(
  request: ApiRequest,
  info: ResourceInfo,
  objects: readonly KubeObject[],
  format: Format,
  now: number,
  metadata: Record<string, unknown>,
) {
  const include = request.query.get('includeObject') || 'Metadata'
  if (include !== 'None' && include !== 'Metadata' && include !== 'Object') {
    const problem = `Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`
    throw badRequest(`Unable to convert to Table as requested: includeObject: ${problem}`)
  }
  const { columnDefinitions, rows } = table(info, objects as KubeObject[], { now })
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${format.version}`,
    metadata,
    columnDefinitions,
    rows: rows.map((row: any, index: number) => ({
      ...row,
      object: include === 'None' ? null : include === 'Object' ? objects[index] : partial(objects[index], format),
    })),
  }
}
