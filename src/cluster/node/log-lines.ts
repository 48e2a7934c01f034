/** The CRI log format: `2026-01-01T00:00:00.000000000Z stdout F text`. Both stream names have six letters: the prefix has a fixed width. */
export const timestampWidth = 30
export const prefixWidth = timestampWidth + 1 + 6 + 1 + 1 + 1

/** Longer lines are cut into parts marked P, as containerd does. Bytes. */
export const maxPart = 16 * 1024

const newline = 10

/** RFC 3339 with nine fractional digits. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000000Z`
}

export interface Framed {
  /** Lines ready to be appended to the log. */
  lines: Buffer[]
  /** Raw bytes they stand for; the rest waits for its newline. */
  consumed: number
}

/** Frames raw output. With `final`, a last line without newline is a part that nothing follows, as containerd writes it. */
export function frame(raw: Buffer, stream: 'stdout' | 'stderr', time: string, final: boolean): Framed {
  const full = Buffer.from(`${time} ${stream} F `)
  const part = Buffer.from(`${time} ${stream} P `)
  const end = Buffer.from('\n')
  const lines: Buffer[] = []
  let at = 0
  while (at < raw.length) {
    const found = raw.indexOf(newline, at)
    const stop = found < 0 ? raw.length : found
    if (found < 0 && !final && stop - at < maxPart) break
    while (stop - at > maxPart || (found < 0 && !final && stop - at >= maxPart)) {
      lines.push(part, raw.subarray(at, at + maxPart), end)
      at += maxPart
    }
    if (found < 0 && !final) break
    lines.push(found < 0 ? part : full, raw.subarray(at, stop), end)
    at = found < 0 ? stop : stop + 1
  }
  return { lines, consumed: at }
}

/** The end of the last whole line in a piece of log; 0 when there is none. */
export function wholeLines(piece: Buffer): number {
  return piece.lastIndexOf(newline) + 1
}

/** What a reader of the log is sent for a piece of whole lines. @param since RFC 3339 as `timestamp` writes it */
export function unframe(piece: Buffer, options: { timestamps: boolean; since?: string }): Buffer {
  const out: Buffer[] = []
  for (let at = 0; at < piece.length; ) {
    const found = piece.indexOf(newline, at)
    if (found < 0) break
    const wanted = !options.since || piece.toString('latin1', at, at + timestampWidth) >= options.since
    if (wanted) {
      if (options.timestamps) out.push(piece.subarray(at, at + timestampWidth + 1))
      const whole = piece[at + prefixWidth - 2] === 70
      out.push(piece.subarray(at + prefixWidth, whole || options.timestamps ? found + 1 : found))
    }
    at = found + 1
  }
  return Buffer.concat(out)
}
