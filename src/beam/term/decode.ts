import { inflateSync } from 'node:zlib'
import { type DecodeLimits, Decoder } from './decoder.ts'
import { Reader } from './reader.ts'
import { tag, version } from './tags.ts'
import type { Term } from './terms.ts'

const defaults: Required<DecodeLimits> = {
  maxDepth: 1024,
  maxTerms: 4_000_000,
  maxIntegerBytes: 512 * 1024,
  maxInflatedBytes: 64 * 1024 * 1024,
}

/**
 * The term in bytes of the external term format, as `erlang:binary_to_term/1` reads them: every tag that OTP 25 to 29 write,
 * compressed terms too. Large binaries may share memory with `bytes`.
 *
 * @throws {DecodeError} and nothing else, for bytes that are no single whole term or exceed the limits
 */
export function decode(bytes: Uint8Array, options: { limits?: DecodeLimits } = {}): Term {
  const limits = wholeLimits(options.limits ?? {})
  if (bytes[0] === version && bytes[1] === tag.compressed) {
    const inflated = inflate(new Reader(bytes, 2), limits)
    return whole(new Decoder(new Reader(inflated), limits))
  }
  const reader = new Reader(bytes)
  checkVersion(reader)
  return whole(new Decoder(reader, limits))
}

/** Limits with the defaults where nothing is said. */
export function wholeLimits(limits: DecodeLimits): Required<DecodeLimits> {
  return { ...defaults, ...limits }
}

/** The first term in `bytes` from `offset` to `end`, and where it ends. @throws {DecodeError} */
export function decodeFirst(
  bytes: Uint8Array,
  offset: number,
  limits: Required<DecodeLimits> = defaults,
  end = bytes.length,
): { term: Term; end: number } {
  const reader = new Reader(bytes, offset, end)
  checkVersion(reader)
  const term = new Decoder(reader, limits).term(0)
  return { term, end: reader.position }
}

function checkVersion(reader: Reader): void {
  const first = reader.u8()
  if (first !== version) reader.fail(`not the external term format: it starts with ${first}, not ${version}`)
}

function whole(decoder: Decoder): Term {
  const term = decoder.term(0)
  const { reader } = decoder
  if (reader.position !== reader.end) reader.fail(`${reader.end - reader.position} bytes follow the term`)
  return term
}

function inflate(reader: Reader, limits: Required<DecodeLimits>): Buffer {
  const size = reader.u32()
  if (size > limits.maxInflatedBytes) reader.fail(`a compressed term of ${size} bytes is over the limit`)
  let inflated: Buffer
  try {
    inflated = inflateSync(reader.input.subarray(reader.position), { maxOutputLength: Math.max(1, size) })
  } catch {
    reader.fail('a compressed term does not unfold to what it says')
  }
  if (inflated.length !== size) reader.fail(`a compressed term unfolds to ${inflated.length} bytes, not ${size}`)
  return inflated
}
