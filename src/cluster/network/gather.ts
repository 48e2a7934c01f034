/** A head that arrived in pieces: what is there of it now, and whether it is time to parse it. */
export interface Gathered {
  bytes: Buffer
  verdict: 'parse' | 'wait' | 'malformed'
}

/** Joins the next piece of a head. Bytes that trickle in must not have the whole head parsed each time. */
export function gather(pending: Buffer, piece: Buffer): Gathered {
  const before = pending.length
  const bytes = Buffer.concat([pending, piece])
  if (bytes.length > 65536 || before <= 1024) return { bytes, verdict: 'parse' }
  if (bytes.indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1') >= 0) return { bytes, verdict: 'parse' }
  const bare = bytes.indexOf('\n\n', Math.max(0, before - 1), 'latin1') >= 0
  return { bytes, verdict: bare ? 'malformed' : 'wait' }
}
