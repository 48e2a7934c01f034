import { writeTerm } from '../term/encode.ts'
import { type Term, Tuple } from '../term/index.ts'
import { version } from '../term/tags.ts'
import type { Writer } from '../term/writer.ts'

/** Control messages by their OTP names ("Erlang Distribution Protocol", section "Protocol between Connected Nodes"). */
export const op = {
  LINK: 1,
  SEND: 2,
  EXIT: 3,
  REG_SEND: 6,
  EXIT2: 8,
  SEND_TT: 12,
  EXIT_TT: 13,
  REG_SEND_TT: 16,
  EXIT2_TT: 18,
  MONITOR_P: 19,
  DEMONITOR_P: 20,
  MONITOR_P_EXIT: 21,
  SEND_SENDER: 22,
  SEND_SENDER_TT: 23,
  PAYLOAD_EXIT: 24,
  PAYLOAD_EXIT_TT: 25,
  PAYLOAD_EXIT2: 26,
  PAYLOAD_EXIT2_TT: 27,
  PAYLOAD_MONITOR_P_EXIT: 28,
  SPAWN_REQUEST: 29,
  SPAWN_REQUEST_TT: 30,
  SPAWN_REPLY: 31,
  SPAWN_REPLY_TT: 32,
  UNLINK_ID: 35,
  UNLINK_ID_ACK: 36,
  ALTACT_SIG_SEND: 37,
} as const

/** Flags of ALTACT_SIG_SEND (OTP 28 and later, erts' dist.h). */
export const altact = { ALIAS: 4, NAME: 8, EXIT: 16 } as const

const passThrough = 112

/**
 * Appends a frame with its length in front: `p`, the control tuple, and the message if there is one.
 *
 * @throws {EncodeError} and has appended nothing
 */
export function writeFrame(writer: Writer, control: readonly Term[], message?: Term): void {
  const start = writer.length
  try {
    writer.u32(0)
    writer.u8(passThrough)
    writer.u8(version)
    writeTerm(writer, new Tuple(control))
    if (message !== undefined) {
      writer.u8(version)
      writeTerm(writer, message)
    }
    writer.patchU32(start, writer.length - start - 4)
  } catch (error) {
    writer.truncate(start)
    throw error
  }
}
