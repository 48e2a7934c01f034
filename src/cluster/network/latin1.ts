interface Sliceable {
  latin1Slice?: (start: number, end: number) => string
}

/**
 * Bytes as text, one character per byte: what HTTP heads are (RFC 9112 §2.2), and lossless for bodies. Takes Node's
 * undocumented short cut where it is there: toString('latin1') spends as long on the name of the encoding as on short texts.
 */
export function latin1(buffer: Buffer, start: number, end: number): string {
  const sliceable = buffer as Sliceable
  return sliceable.latin1Slice ? sliceable.latin1Slice(start, end) : buffer.toString('latin1', start, end)
}

/** True when the bytes from `start` to `end` are the characters of `text`. */
export function equalsLatin1(buffer: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false
  for (let index = 0; index < text.length; index++) if (buffer[start + index] !== text.charCodeAt(index)) return false
  return true
}
