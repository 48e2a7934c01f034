import { type ChildProcess, spawn } from 'node:child_process'
import { decode, isAtom } from '../term/index.ts'

/*
 * One real `erl` as the judge of the term format. Frames of 4 bytes length on its standard input and output:
 * `$d` + external term  → the term as erl writes it,     `$z` + external term → the same, compressed,
 * `$p` + UTF-8 source   → the value of the expression,   `$e` + u32 length + term + term → `true` or `false` (`=:=`).
 */
const program = `
Port = open_port({fd, 0, 1}, [binary, {packet, 4}, eof]),
Value = fun(Text) ->
  {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text) ++ "."),
  {ok, Forms} = erl_parse:parse_exprs(Tokens),
  {value, V, _} = erl_eval:exprs(Forms, []),
  V
end,
Answer = fun
  (<<"d", B/binary>>) -> term_to_binary(binary_to_term(B));
  (<<"z", B/binary>>) -> term_to_binary(binary_to_term(B), [{compressed, 9}]);
  (<<"p", B/binary>>) -> term_to_binary(Value(B));
  (<<"e", L:32, A:L/binary, B/binary>>) -> term_to_binary(binary_to_term(A) =:= binary_to_term(B))
end,
Loop = fun Loop() ->
  receive
    {Port, {data, Request}} ->
      Reply = try Answer(Request) catch C:R -> term_to_binary({failed, C, R}) end,
      port_command(Port, Reply),
      Loop();
    {Port, eof} -> halt(0)
  end
end,
Loop().
`

export class ErlPort {
  readonly #child: ChildProcess
  readonly #waiting: ((bytes: Buffer) => void)[] = []
  #rest = Buffer.alloc(0)

  /** It ends with the test, by its own handle. */
  constructor(t: { after(fn: () => void): void }) {
    this.#child = spawn('erl', ['-noinput', '-boot', 'no_dot_erlang', '-eval', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.after(() => this.#child.kill('SIGKILL'))
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk])
      while (this.#rest.length >= 4 && this.#rest.length >= 4 + this.#rest.readUInt32BE()) {
        const end = 4 + this.#rest.readUInt32BE()
        this.#waiting.shift()!(this.#rest.subarray(4, end))
        this.#rest = this.#rest.subarray(end)
      }
    })
  }

  ask(op: 'd' | 'z' | 'p' | 'e', ...parts: Uint8Array[]): Promise<Buffer> {
    const body = Buffer.concat([Buffer.from(op), ...parts])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    this.#child.stdin!.write(Buffer.concat([length, body]))
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Whether `erl` finds two encodings to be the same term. */
  async same(a: Buffer, b: Buffer): Promise<boolean> {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(a.length)
    return isAtom(decode(await this.ask('e', length, a, b)), 'true')
  }
}
