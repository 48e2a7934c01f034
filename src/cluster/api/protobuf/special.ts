import { WireError } from './wire.ts'

/** Sets a key that may be `__proto__`. */
export function put(target: Record<string, any>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

function instant({ seconds = 0, nanos = 0 }: Record<string, any>): Date | undefined {
  if (seconds === 0 && nanos === 0) return undefined
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) throw new WireError(`the time ${seconds} is out of range`)
  return date
}

/** Messages whose JSON form is not the object of their fields: what their MarshalJSON in Go makes of them. */
export const special: Record<string, (fields: Record<string, any>) => unknown> = {
  'resource.Quantity': (fields) => fields['string'] || '0',
  'meta.v1.Time': (fields) =>
    instant(fields)
      ?.toISOString()
      .replace(/\.\d{3}Z$/, 'Z'),
  'meta.v1.MicroTime': (fields) => {
    const micros = String(Math.floor((fields['nanos'] ?? 0) / 1000)).padStart(6, '0')
    return instant(fields)
      ?.toISOString()
      .replace(/\.\d{3}Z$/, `.${micros}Z`)
  },
  'intstr.IntOrString': (fields) => (fields['type'] === 1 ? (fields['strVal'] ?? '') : (fields['intVal'] ?? 0)),
  'apiextensions.v1.JSONSchemaPropsOrBool': (fields) => fields['schema'] ?? fields['allows'] ?? false,
  'apiextensions.v1.JSONSchemaPropsOrArray': (fields) => fields['jSONSchemas'] ?? fields['schema'],
  'apiextensions.v1.JSONSchemaPropsOrStringArray': (fields) => fields['property'] ?? fields['schema'],
}

/** Messages that hold JSON as bytes, in field 1. */
export const embedded = new Set(['runtime.RawExtension', 'meta.v1.FieldsV1', 'apiextensions.v1.JSON'])
