import { createServer, connect as dial, type Socket } from 'node:net'
import { type BeamNode, connect, evaluate, numberOf } from '#beam'
import { app, type Herd, readCookie } from './herd.ts'

/**
 * Takes the distribution port away from a running node, so that others can listen in its place. Connections that there are
 * stay. OTP's acceptor is started a second time, on a port of its own.
 *
 * @returns where the node listens now
 */
export async function moveListener(node: BeamNode, port: number): Promise<number> {
  const program = `
    [Old] = [P || P <- erlang:ports(), inet:port(P) =:= {ok, Public}, inet:peername(P) =:= {error, enotconn}],
    {ok, {Ip, _}} = inet:sockname(Old), Self = self(),
    sys:replace_state(net_kernel, fun(State) ->
      {links, Links} = process_info(self(), links),
      [begin unlink(P), exit(P, kill) end || P <- Links, is_pid(P),
        {initial_call, {_, accept_loop, _}} <- [process_info(P, initial_call)]],
      unlink(Old), true = erlang:port_close(Old),
      {ok, New} = gen_tcp:listen(0, [{ip, Ip}, {active, false}, {packet, 2}, {reuseaddr, true}, {backlog, 16}]),
      inet_tcp_dist:accept(New),
      {ok, {_, Port}} = inet:sockname(New),
      Self ! {moved, Port},
      State
    end),
    receive {moved, Moved} -> Moved end`
  const moved = await evaluate(node, program, { Public: port })
  return numberOf(moved)!
}

/** A wire between the platform and a node, which can be cut so that neither end is told. */
export interface Wire {
  /** From then on nothing passes any more. */
  cut(): void
  /** Cuts it as soon as the platform says this, which does not arrive. */
  cutBefore(word: string): void
  /** Connections that are made from then on go through. */
  mend(): void
  /** A connection that does not go over it. */
  around(): Promise<BeamNode>
}

/** Puts a wire before the node of a pod. */
export async function wireTo(t: { after(fn: () => void): void }, herd: Herd, pod: string): Promise<Wire> {
  const { address } = (await herd.pods()).find((one) => one.pod === pod)
  const inside = await herd.withNodes((nodes) => moveListener(nodes.get(pod)!, herd.port))
  let line = { isCut: false }
  let fatal: string | undefined
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const [far, mine] = [dial(inside, address), line]
    sockets.push(near, far)
    const pass = (from: Socket, to: Socket) => {
      from.on('error', () => {})
      from.on('data', (bytes: Buffer) => {
        if (from === near && fatal !== undefined && bytes.includes(fatal)) mine.isCut = true
        if (!mine.isCut) to.write(bytes)
      })
      from.on('end', () => mine.isCut || to.end())
    }
    pass(near, far)
    pass(far, near)
  })
  await new Promise<void>((resolve) => server.listen(herd.port, address, resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    cut() {
      line.isCut = true
    },
    cutBefore(word) {
      fatal = word
    },
    mend() {
      line = { isCut: false }
    },
    around: async () => {
      const cookie = await readCookie(herd.home)
      return connect({
        name: `${app}@${address}`,
        host: address,
        port: inside,
        cookie,
        ourName: 'rem-around@127.0.0.1',
      })
    },
  }
}
