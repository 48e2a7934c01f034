/** Bytes as text, one character per byte: what HTTP heads are (RFC 9112 §2.2), and lossless for bodies. */
export function latin1(buffer: Buffer, start: number, end: number): string {
  return buffer.toString('latin1', start, end)
}
