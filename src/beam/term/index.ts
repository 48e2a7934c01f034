export { atom, binary, bool, charlist, exported, float, map, tuple } from './build.ts'
export { decode } from './decode.ts'
export type { DecodeLimits } from './decoder.ts'
export { encode } from './encode.ts'
export { DecodeError, EncodeError } from './errors.ts'
export { atomText, format } from './format.ts'
export { sameTerm, TermMap, termKey } from './map.ts'
export { elements, isAtom, listOf, numberOf, property, structName, tagged, textOf } from './read.ts'
export {
  Atom,
  BitString,
  Export,
  Float,
  Fun,
  type FunFields,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './terms.ts'
