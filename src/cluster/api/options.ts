import { badPatch, type Patched } from './patched.ts'
import type { ResourceRequest } from './request.ts'
import { invalidOptions, StatusError } from './status.ts'

export interface WriteOptions {
  dryRun: boolean
  /** As given; empty when it was not. */
  fieldManager: string
  /** fieldManager, or what the User-Agent says, as kube-apiserver does. */
  manager: string
  fieldValidation: 'Ignore' | 'Warn' | 'Strict'
  force: boolean
  /** Fields that the body gives twice. */
  duplicates?: readonly string[]
}

/** Reads and checks the query of a write. `kind` is CreateOptions, UpdateOptions or PatchOptions. */
export function writeOptions(rr: ResourceRequest, kind: string): WriteOptions {
  const { query, headers } = rr.request
  const fieldManager = query.get('fieldManager') ?? ''
  if (Buffer.byteLength(fieldManager) > 128) {
    throw invalidOptions(kind, 'fieldManager', 'FieldValueTooLong', 'Too long: may not be more than 128 bytes')
  }
  const odd = /[\x00-\x1f\x7f]/.exec(fieldManager)
  if (odd) {
    const character = `U+${odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    throw invalidOptions(
      kind,
      'fieldManager',
      'FieldValueInvalid',
      `Invalid value: ${JSON.stringify(fieldManager)}: invalid character ${character} (at position ${odd.index})`,
    )
  }
  const validation = query.get('fieldValidation') || 'Warn'
  if (validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict') {
    throw invalidOptions(
      kind,
      'fieldValidation',
      'FieldValueNotSupported',
      `Unsupported value: ${JSON.stringify(validation)}: supported values: "", "Ignore", "Strict", "Warn"`,
    )
  }
  const agent = (headers['user-agent'] ?? '').split('/', 1)[0].trim().slice(0, 128)
  return {
    dryRun: dryRun(query.getAll('dryRun'), kind),
    fieldManager,
    manager: fieldManager || agent || 'unknown',
    fieldValidation: validation,
    force: query.get('force') !== null && query.get('force') !== 'false' && query.get('force') !== '0',
  }
}

/** True for `All`; anything else but nothing is refused. */
export function dryRun(values: readonly string[], kind: string): boolean {
  if (values.length === 0) return false
  if (values.every((value) => value === 'All')) return true
  const shown = `[${values.map((value) => JSON.stringify(value)).join(',')}]`
  throw invalidOptions(kind, 'dryRun', 'FieldValueNotSupported', `Unsupported value: ${shown}: supported values: "All"`)
}

/** Turns fields that the schema does not know, or that come twice, into warnings, or into an error under Strict. */
export function reportUnknown(
  rr: ResourceRequest,
  options: WriteOptions,
  unknown: readonly string[],
  patched: Patched | undefined,
): void {
  const { duplicates = [] } = options
  if (unknown.length + duplicates.length === 0 || options.fieldValidation === 'Ignore') return
  const texts = [
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ]
  if (options.fieldValidation === 'Warn') {
    rr.warnings.push(...texts.filter((text) => !rr.warnings.includes(text)))
    return
  }
  const { kind, version } = rr.info
  const message = `strict decoding error: ${texts.join(', ')}`
  if (!patched) {
    throw new StatusError(
      400,
      'BadRequest',
      `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${message}`,
    )
  }
  throw badPatch(patched, message)
}
