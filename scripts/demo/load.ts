import { Agent, request } from 'node:http'

export interface LoadResult {
  sent: number
  failed: number
  failures: string[]
  /** Milliseconds. */
  p50: number
  p99: number
  p999: number
  /** How often each body was seen. */
  answers: Record<string, number>
}

/** Requests without a pause from `clients` keep-alive connections until stopped; every answer but a 200 counts as failed. */
export function startLoad(options: { port: number; host: string; path: string; clients: number }): {
  stop(): Promise<LoadResult>
} {
  const agent = new Agent({ keepAlive: true, maxSockets: options.clients })
  const result: LoadResult = { sent: 0, failed: 0, failures: [], p50: 0, p99: 0, p999: 0, answers: {} }
  const times: number[] = []
  let stopping = false
  const fail = (reason: string) => {
    result.failed++
    if (result.failures.length < 5) result.failures.push(reason)
  }
  const client = async () => {
    while (!stopping) {
      const began = performance.now()
      result.sent++
      await new Promise<void>((resolve) => {
        const sending = request(
          { agent, host: '127.0.0.1', port: options.port, path: options.path, headers: { host: options.host } },
          (response) => {
            let body = ''
            response.setEncoding('utf8')
            response.on('data', (chunk) => (body += chunk))
            response.on('end', () => {
              if (response.statusCode !== 200) fail(`status ${response.statusCode}`)
              const answer = body.trim().slice(0, 80)
              result.answers[answer] = (result.answers[answer] ?? 0) + 1
              times.push(performance.now() - began)
              resolve()
            })
            response.on('error', (error) => {
              fail(error.message)
              resolve()
            })
          },
        )
        sending.on('error', (error) => {
          fail(error.message)
          resolve()
        })
        sending.end()
      })
    }
  }
  const clients = Array.from({ length: options.clients }, client)
  return {
    async stop() {
      stopping = true
      await Promise.all(clients)
      agent.destroy()
      times.sort((a, b) => a - b)
      result.p50 = times[Math.floor(times.length * 0.5)] ?? 0
      result.p999 = times[Math.floor(times.length * 0.999)] ?? 0
      result.p99 = times[Math.floor(times.length * 0.99)] ?? 0
      return result
    },
  }
}

/** One GET through the router. */
export function get(port: number, host: string, path = '/'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host, connection: 'close' }, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, body }))
    })
      .on('error', reject)
      .end()
  })
}
