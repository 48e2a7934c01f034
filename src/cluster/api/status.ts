import type { ResourceInfo } from '../machinery/index.ts'

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

/** An answer other than success, as metav1.Status. Messages and details are kube-apiserver's own, byte for byte where it matters. */
export class StatusError extends Error {
  readonly code: number
  readonly reason: string | undefined
  readonly details: StatusDetails | undefined
  /** metadata.continue of a 410 on a list. */
  readonly continueToken: string | undefined

  constructor(
    code: number,
    reason: string | undefined,
    message: string,
    details?: StatusDetails,
    continueToken?: string,
  ) {
    super(message)
    this.name = 'StatusError'
    this.code = code
    this.reason = reason
    this.details = details
    this.continueToken = continueToken
  }

  get status() {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken ? { continue: this.continueToken } : {},
      status: 'Failure',
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    }
  }
}

/** `deployments.apps`, or `pods`. */
export function qualified(info: { group: string; plural: string }): string {
  return info.group === '' ? info.plural : `${info.plural}.${info.group}`
}

function of(info: { group: string; plural: string }, name?: string): StatusDetails {
  return { ...(name && { name }), ...(info.group && { group: info.group }), kind: info.plural }
}

export const badRequest = (message: string) => new StatusError(400, 'BadRequest', message)
export const unauthorized = () => new StatusError(401, 'Unauthorized', 'Unauthorized')
export const internal = (message: string) =>
  new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })

export const notFound = (info: { group: string; plural: string }, name: string) =>
  new StatusError(404, 'NotFound', `${qualified(info)} "${name}" not found`, of(info, name))

/** 404 for a resource or subresource that no group has. */
export const unserved = () => new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})

export const alreadyExists = (info: ResourceInfo, name: string, going = false) =>
  new StatusError(
    409,
    'AlreadyExists',
    `${going ? 'object is being deleted: ' : ''}${qualified(info)} "${name}" already exists`,
    of(info, name),
  )

export const conflict = (info: { group: string; plural: string }, name: string, message: string) =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(info)} "${name}": ${message}`,
    of(info, name),
  )

export const modified = (info: ResourceInfo, name: string) =>
  conflict(info, name, 'the object has been modified; please apply your changes to the latest version and try again')

export const forbidden = (info: { group: string; plural: string }, name: string, why: string, causes?: StatusCause[]) =>
  new StatusError(403, 'Forbidden', `${qualified(info)} "${name}" is forbidden: ${why}`, {
    ...of(info, name),
    ...(causes && { causes }),
  })

/** 405: definitions' resources are told by name, built-in ones by their addresses, which have no such method. */
export const methodNotAllowed = (info: { group: string; plural: string; custom: boolean }, verb: string) =>
  info.custom
    ? new StatusError(
        405,
        'MethodNotAllowed',
        `${verb} is not supported on resources of kind "${qualified(info)}"`,
        of(info),
      )
    : notAllowedHere()

/** 405 where an address has no such verb at all. */
export const notAllowedHere = () =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})

export const tooLarge = (limit: number) =>
  new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`)

/** 422 with every problem found. `kind` is the Kind, not the plural. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  causes: readonly StatusCause[],
): StatusError {
  // What two rules find is told once, but counted twice, as an aggregate of Go's errors does.
  const list = [
    ...new Set(causes.map((cause) => (cause.field ? `${cause.field}: ${cause.message}` : (cause.message ?? '')))),
  ]
  const text = list.length === 1 ? list[0] : `[${list.join(', ')}]`
  const what = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`
  return new StatusError(422, 'Invalid', `${what} ${JSON.stringify(name)} is invalid: ${text}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes: [...causes],
  })
}

/** 422 about the options of a request (`CreateOptions`, `ListOptions`, …). */
export function invalidOptions(kind: string, field: string, reason: string, message: string): StatusError {
  return invalid({ group: 'meta.k8s.io', kind }, '', [{ reason, message, field }])
}
