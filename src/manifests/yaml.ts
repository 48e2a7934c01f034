import type { KubeObject } from '#kube'
import { isObject, type JsonObject } from '#lib'

/*
 * Own emitter: the objects are plain JSON, a parser's library would weigh more than all of the compiler, and `plan` and
 * `export` print hundreds of objects. Whatever is not plainly a word is written as a JSON string, which YAML 1.2 includes.
 */

const words = /^[A-Za-z_/.][A-Za-z0-9_/.@:+=$()*%-]*( [A-Za-z0-9_/.@:+=$()*%-]+)*$/
const quantity = /^[1-9][0-9]*([mkMGTPE]|[KMGTPE]i)$/
/** What a YAML 1.1 or 1.2 reader would take for something else than text. */
const meaning = /^(true|false|null|yes|no|on|off|y|n|\.nan|\.inf|\.[0-9].*)$|:( |$)/i

/**
 * Objects as a YAML stream, keys in the order they have. With `redact`, values of Secrets are replaced by `(redacted)`;
 * the result then cannot be applied, which is as well.
 */
export function toYaml(objects: readonly KubeObject[], { redact = true }: { redact?: boolean } = {}): string {
  return objects.map((object) => map(redact ? redacted(object) : object, '')).join('---\n')
}

export const redactedValue = '(redacted)'

/** The object without its secret values; the names of the keys stay. */
export function redacted(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret') return object
  const hidden: KubeObject = { ...object }
  for (const field of ['data', 'stringData']) {
    if (isObject(object[field])) {
      hidden[field] = Object.fromEntries(Object.keys(object[field]).map((key) => [key, redactedValue]))
    }
  }
  return hidden
}

function map(value: JsonObject, indent: string): string {
  let text = ''
  for (const key of Object.keys(value)) {
    if (value[key] !== undefined) text += `${indent}${scalar(key)}:${after(value[key], indent)}`
  }
  return text
}

function after(value: unknown, indent: string): string {
  if (Array.isArray(value)) return value.length === 0 ? ' []\n' : `\n${list(value, indent)}`
  if (isObject(value)) return Object.keys(value).length === 0 ? ' {}\n' : `\n${map(value, `${indent}  `)}`
  return ` ${scalar(value)}\n`
}

function list(values: unknown[], indent: string): string {
  let text = ''
  for (const value of values) {
    if (isObject(value) && Object.keys(value).length > 0) {
      text += `${indent}- ${map(value, `${indent}  `).slice(indent.length + 2)}`
    } else if (Array.isArray(value) && value.length > 0) {
      text += `${indent}- ${list(value, `${indent}  `).slice(indent.length + 2)}`
    } else text += `${indent}-${after(value, indent)}`
  }
  return text
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'null'
  const plain = quantity.test(value) || (words.test(value) && !meaning.test(value))
  return plain ? value : JSON.stringify(value)
}
