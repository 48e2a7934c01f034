/** The external term format's tags: OTP's "External Term Format", and what OTP 29 added. */
export const version = 131

export const tag = {
  nativeRecord: 67,
  newFloat: 70,
  bitBinary: 77,
  compressed: 80,
  newPid: 88,
  newPort: 89,
  newerReference: 90,
  smallInteger: 97,
  integer: 98,
  float: 99,
  atom: 100,
  oldReference: 101,
  oldPort: 102,
  oldPid: 103,
  smallTuple: 104,
  largeTuple: 105,
  nil: 106,
  string: 107,
  list: 108,
  binary: 109,
  smallBig: 110,
  largeBig: 111,
  newFun: 112,
  export: 113,
  newReference: 114,
  smallAtom: 115,
  map: 116,
  atomUtf8: 118,
  smallAtomUtf8: 119,
  v4Port: 120,
} as const

/** OTP's own bound on an atom's characters; 4 bytes each at most. */
export const longestAtom = 255
