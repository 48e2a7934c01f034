import { CuddleError } from '#lib'

/*
 * Capability flags of the distribution handshake (OTP's "Erlang Distribution Protocol" and kernel's dist.hrl; bit 26 is
 * MANDATORY_25_DIGEST, whatever the page says). Left out on purpose: PUBLISHED (we are hidden), DIST_HDR_ATOM_CACHE and
 * FRAGMENTS (either of them switches both directions to another framing).
 */
const bit = (n: number) => 1n << BigInt(n)

const flag = {
  EXTENDED_REFERENCES: bit(2),
  DIST_MONITOR: bit(3),
  FUN_TAGS: bit(4),
  DIST_MONITOR_NAME: bit(5),
  NEW_FUN_TAGS: bit(7),
  EXTENDED_PIDS_PORTS: bit(8),
  EXPORT_PTR_TAG: bit(9),
  BIT_BINARIES: bit(10),
  NEW_FLOATS: bit(11),
  UNICODE_IO: bit(12),
  SMALL_ATOM_TAGS: bit(14),
  UTF8_ATOMS: bit(16),
  MAP_TAG: bit(17),
  BIG_CREATION: bit(18),
  SEND_SENDER: bit(19),
  BIG_SEQTRACE_LABELS: bit(20),
  EXIT_PAYLOAD: bit(22),
  HANDSHAKE_23: bit(24),
  UNLINK_ID: bit(25),
  MANDATORY_25_DIGEST: bit(26),
  SPAWN: bit(32),
  V4_NC: bit(34),
  ALIAS: bit(35),
} as const

/** What we offer: all that OTP 25 to 29 demand, and the control messages this client speaks. */
export const ourFlags: bigint = Object.values(flag).reduce((all, one) => all | one, 0n)

/** What we cannot do without; every OTP from 25 on has them. */
const needed = [
  'EXIT_PAYLOAD',
  'SPAWN',
  'UNLINK_ID',
  'V4_NC',
  'HANDSHAKE_23',
  'DIST_MONITOR_NAME',
  'SEND_SENDER',
] as const

/** @throws {CuddleError} `unsupported-otp` when the peer lacks what we need */
export function checkPeerFlags(node: string, flags: bigint): void {
  const lacking = needed.filter((name) => (flags & flag[name]) === 0n)
  if (lacking.length === 0) return
  throw new CuddleError('unsupported-otp', `node ${node} speaks a distribution protocol older than OTP 25`, {
    hint: 'build the app with OTP 25 or newer',
    details: [`it lacks ${lacking.join(', ')}`],
  })
}
