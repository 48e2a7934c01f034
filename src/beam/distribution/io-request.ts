import { CuddleError } from '#lib'
import { Atom, isAtom, type Term, textOf } from '../term/index.ts'

/**
 * The text of a `put_chars` request of Erlang's I/O protocol, which is `{put_chars, [Encoding,] Chars}` or
 * `{put_chars, [Encoding,] Module, Function, Args}`; undefined where it is none.
 *
 * @param parts what follows the atom
 * @param apply calls a function of the node
 */
export async function readChars(
  parts: readonly Term[],
  apply: (module: string, name: string, args: readonly Term[]) => Promise<Term>,
): Promise<string | undefined> {
  if (parts.length > 2) {
    const [module, name, args] = parts.slice(-3)
    if (!(module instanceof Atom && name instanceof Atom && Array.isArray(args))) {
      throw new CuddleError('bad-term', 'put_chars without a function')
    }
    return textOf(await apply(module.name, name.name, args))
  }
  const chars = parts.at(-1)
  const latin1 = parts.length === 2 && isAtom(parts[0], 'latin1') && chars instanceof Uint8Array
  return latin1 ? Buffer.from(chars).toString('latin1') : textOf(chars)
}
