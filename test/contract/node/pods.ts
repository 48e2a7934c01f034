import type { Client } from '../client.ts'

/** Creates a pod of one container that runs a line of shell, and waits for its phase. Returns its path. */
export async function runPod(
  c: Client,
  name: string,
  script: string,
  options: { phase?: string; spec?: object; container?: object } = {},
): Promise<string> {
  const { phase = 'Running', spec = {}, container = {} } = options
  const made = await c.post(
    c.path('pods'),
    {
      metadata: { name },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        restartPolicy: 'Never',
        containers: [shell(c, 'main', script, container)],
        ...spec,
      },
    },
    { record: false },
  )
  if (made.code !== 201) throw new Error(`pod ${name} was refused: ${made.text}`)
  const path = `${c.path('pods')}/${name}`
  await c.until(path, ({ body }) => body.status?.phase === phase, { record: false })
  return path
}

export function shell(c: Client, name: string, script: string, more: object = {}): object {
  return { name, image: c.image, command: ['sh', '-c', script], ...more }
}

/** The query of an exec. */
export function execQuery(command: readonly string[], flags = 'stdout=true&stderr=true'): string {
  return `exec?${flags}${command.map((word) => `&command=${encodeURIComponent(word)}`).join('')}`
}
