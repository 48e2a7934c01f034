import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Starts a node without epmd; several share the port number and differ by address, as pods do.
 * @param directory of modules
 * @returns its name; its process is added to `children`
 */
export async function startErl(
  { host, port, cookie, directory }: { host: string; port: number; cookie: string; directory: string },
  children: ChildProcess[],
): Promise<string> {
  const name = `bench@${host}`
  const args = ['-noinput', '-boot', 'start_clean', '-name', name, '-setcookie', cookie, '-start_epmd', 'false']
  args.push('-erl_epmd_port', String(port), '-kernel', 'inet_dist_use_interface', `{${host.replaceAll('.', ',')}}`)
  const child = spawn('erl', [...args, '-pa', directory, '-eval', 'io:format("up~n")'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout!, 'data')
  child.stdout!.resume()
  return name
}
