import { type Kube, ServiceAccount } from '#kube'
import { type Clock, errorMessage, type Logger, loop, writeFileAtomic } from '#lib'
import { systemNamespace } from '../context.ts'
import { accountName } from './manifest.ts'

/** How long a token holds, seconds: so long a machine may sleep, and how long a stolen one is of use. */
const lifeSeconds = 24 * 3600

export interface AccountToken {
  token: string
  /** Wall clock, ms. The server may give less than was asked for. */
  expiresAt: number
}

/** A new token of the platform's ServiceAccount (TokenRequest). @throws ApiError 403 without `create serviceaccounts/token` */
export async function issueToken(kube: Kube, seconds: number = lifeSeconds): Promise<AccountToken> {
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name: accountName, namespace: systemNamespace },
    spec: { expirationSeconds: seconds },
  }
  const { status } = (await kube.create(ServiceAccount, request as never, { subresource: 'token' })) as any
  return { token: status.token, expiresAt: Date.parse(status.expirationTimestamp) }
}

/** Writes a token where the transports of the daemons read it again and again. */
export function writeToken(file: string, { token }: AccountToken): void {
  writeFileAtomic(file, token, 0o600)
}

/** Renews the token in a file with the rights of the token itself, at half of its life, until the signal aborts. */
export function keepToken(options: {
  kube: Kube
  file: string
  clock: Clock
  log: Logger
  signal: AbortSignal
  seconds?: number
}): Promise<void> {
  const { kube, file, clock, log, signal, seconds } = options
  return loop(
    async () => {
      const issued = await issueToken(kube, seconds)
      writeToken(file, issued)
      return Math.max(1_000, (issued.expiresAt - clock.now()) / 2)
    },
    { clock, signal, onError: (error) => log.warn({ error: errorMessage(error) }, 'the token could not be renewed') },
  )
}
