import { isObject } from '#lib'

/** A failure that the API server answered: its Status, or the bare HTTP status where there was none. */
export class ApiError extends Error {
  /** HTTP status, as Status.code. */
  readonly code: number
  /** Status.reason, such as `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`; `''` when the server gave none. */
  readonly reason: string
  /** The Status object as it came; undefined when the body was not one. */
  readonly status: Record<string, any> | undefined
  /** From the Retry-After header, or Status.details.retryAfterSeconds. */
  readonly retryAfterSeconds: number | undefined

  constructor(code: number, init: { message: string; reason?: string; status?: object; retryAfterSeconds?: number }) {
    super(init.message)
    this.name = 'ApiError'
    this.code = code
    this.reason = init.reason ?? ''
    this.status = init.status
    this.retryAfterSeconds = init.retryAfterSeconds
  }
}

const reasons: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** Makes the error out of a failed answer, or of the Status in a watch's ERROR event. */
export function apiError(
  code: number,
  body: unknown,
  context: { request?: string; retryAfter?: string | undefined } = {},
): ApiError {
  const status = isObject(body) ? body : undefined
  const text = typeof body === 'string' ? body.trim().slice(0, 300) : ''
  const message = typeof status?.['message'] === 'string' && status['message'] !== '' ? status['message'] : text
  const reason = typeof status?.['reason'] === 'string' ? status['reason'] : status ? '' : (reasons[code] ?? '')
  const header = Number.parseInt(context.retryAfter ?? '', 10)
  const seconds = Number.isNaN(header) ? status?.['details']?.retryAfterSeconds : header
  return new ApiError(code, {
    message: message || `the server answered ${code}${context.request ? ` to ${context.request}` : ''}`,
    reason,
    ...(status && { status }),
    ...(typeof seconds === 'number' && seconds >= 0 && { retryAfterSeconds: seconds }),
  })
}

const has = (error: unknown, code: number) => error instanceof ApiError && error.code === code

export const isNotFound = (error: unknown): error is ApiError => has(error, 404)
/** The object exists already: a POST met its name. */
export const isAlreadyExists = (error: unknown): error is ApiError =>
  has(error, 409) && (error as ApiError).reason === 'AlreadyExists'
/** Somebody else wrote first (a stale resourceVersion), or owns the field (server-side apply without force). */
export const isConflict = (error: unknown): error is ApiError => has(error, 409) && !isAlreadyExists(error)
/** The resourceVersion or continue token is too old: list again. */
export const isGone = (error: unknown): error is ApiError => has(error, 410)
/** The namespace is being deleted: nothing new may be created in it. */
export const isNamespaceTerminating = (error: unknown): error is ApiError =>
  has(error, 403) &&
  (error as ApiError).status?.['details']?.causes?.some((cause: any) => cause?.reason === 'NamespaceTerminating') ===
    true
