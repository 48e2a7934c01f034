import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Clock, CuddleError, type Issued, type Subject, systemClock, writeFileAtomic, x509 } from '#lib'

/** Every key of one home. Certificates and keys are PEM. */
export interface Pki {
  /** home/pki */
  readonly directory: string
  readonly ca: Issued
  /** Serving certificate of the API server. */
  readonly server: Issued
  /** kubernetes-admin, system:masters. */
  readonly admin: Issued
  /** system:kube-controller-manager, system:masters. */
  readonly control: Issued
  /** system:node:<host>; also the serving certificate of the kubelet API. */
  readonly node: Issued
  /** How the API server introduces itself to the kubelet API. */
  readonly kubeletClient: Issued
  /**
   * How the API server introduces itself, and whom it speaks for, to the extension servers that APIServices name. An authority
   * of its own: whoever it vouches for may claim to be anybody.
   */
  readonly frontProxy: { ca: Issued; client: Issued }
  /** Signs and verifies ServiceAccount tokens (ES256). */
  readonly serviceAccount: { privateKey: string; publicKey: string }
  /** 32 bytes: encrypts Secrets in the store. */
  readonly encryptionKey: Buffer
}

type Issuing = Awaited<ReturnType<typeof x509>>

const renewBefore = 30 * 86_400_000
const serverNames = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '127.0.0.1',
  '::1',
  '127.48.0.1',
]

function subjects(host: string): Record<'server' | 'admin' | 'control' | 'node' | 'kubelet-client', Subject> {
  return {
    server: { commonName: 'kube-apiserver', server: true, names: serverNames },
    admin: { commonName: 'kubernetes-admin', organization: 'system:masters', client: true },
    control: { commonName: 'system:kube-controller-manager', organization: 'system:masters', client: true },
    node: {
      commonName: `system:node:${host}`,
      organization: 'system:nodes',
      client: true,
      server: true,
      names: ['localhost', '127.0.0.1', '::1'],
    },
    'kubelet-client': { commonName: 'kube-apiserver-kubelet-client', organization: 'system:masters', client: true },
  }
}

/**
 * Reads the keys and certificates under home/pki, making what is missing or about to expire; what is there and good is
 * never replaced. CuddleError `pki-damaged` when the authority's certificate or key alone is missing, for everything that
 * trusts it would break silently.
 */
export async function ensurePki(home: string, options: { clock?: Clock; host?: string } = {}): Promise<Pki> {
  const clock = options.clock ?? systemClock
  const issuing = await x509()
  const { issue, issueAuthority } = issuing
  const directory = join(home, 'pki')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = (name: string) => join(directory, name)
  let ca = readPair(path('ca'))
  if (!ca) {
    if (existsSync(path('ca.crt')) || existsSync(path('ca.key'))) {
      throw new CuddleError('pki-damaged', `one of ${path('ca.crt')} and ${path('ca.key')} is missing`, {
        hint: `restore it, or remove ${directory} to make a new authority (kubeconfigs must then be fetched again)`,
      })
    }
    ca = issueAuthority(clock.now())
    writePair(path('ca'), ca)
  }
  const pairs: Record<string, Issued> = {}
  for (const [name, subject] of Object.entries(subjects(options.host ?? hostname()))) {
    const existing = readPair(path(name))
    if (existing && usable(existing, ca, clock.now())) {
      pairs[name] = existing
      continue
    }
    pairs[name] = issue(ca, subject, clock.now())
    writePair(path(name), pairs[name])
  }
  return {
    directory,
    ca,
    server: pairs['server'],
    admin: pairs['admin'],
    control: pairs['control'],
    node: pairs['node'],
    kubeletClient: pairs['kubelet-client'],
    frontProxy: ensureFrontProxy(issuing, path, clock.now()),
    serviceAccount: ensureSigningKey(path('sa.key'), path('sa.pub')),
    encryptionKey: ensureEncryptionKey(path('encryption.key'), join(home, 'store', 'state.db')),
  }
}

const frontProxyAuthority = 'cuddle-front-proxy-ca'

function ensureFrontProxy(
  { issue, issueAuthority }: Issuing,
  path: (name: string) => string,
  now: number,
): Pki['frontProxy'] {
  let ca = readPair(path('front-proxy-ca'))
  if (!ca || !usable(ca, ca, now)) {
    ca = issueAuthority(now, frontProxyAuthority)
    writePair(path('front-proxy-ca'), ca)
  }
  let client = readPair(path('front-proxy-client'))
  if (!client || !usable(client, ca, now)) {
    client = issue(ca, { commonName: 'front-proxy-client', client: true }, now, frontProxyAuthority)
    writePair(path('front-proxy-client'), client)
  }
  return { ca, client }
}

function readPair(base: string): Issued | undefined {
  if (!existsSync(`${base}.crt`) || !existsSync(`${base}.key`)) return undefined
  return { cert: readFileSync(`${base}.crt`, 'utf8'), key: readFileSync(`${base}.key`, 'utf8') }
}

// The key first: a certificate on disk then always has its key beside it.
function writePair(base: string, pair: Issued): void {
  writeFileAtomic(`${base}.key`, pair.key, 0o600)
  writeFileAtomic(`${base}.crt`, pair.cert)
}

function usable(pair: Issued, ca: Issued, now: number): boolean {
  try {
    const certificate = new X509Certificate(pair.cert)
    return certificate.checkIssued(new X509Certificate(ca.cert)) && Date.parse(certificate.validTo) - now > renewBefore
  } catch {
    return false
  }
}

function ensureSigningKey(keyPath: string, publicPath: string): { privateKey: string; publicKey: string } {
  if (!existsSync(keyPath) || !existsSync(publicPath)) {
    const pair = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    writeFileAtomic(keyPath, pair.privateKey, 0o600)
    writeFileAtomic(publicPath, pair.publicKey)
  }
  return { privateKey: readFileSync(keyPath, 'utf8'), publicKey: readFileSync(publicPath, 'utf8') }
}

/** A store can be read with the key alone that it was written with: another one would only hide that it is gone. */
function ensureEncryptionKey(path: string, store: string): Buffer {
  if (!existsSync(path)) {
    if (existsSync(store)) {
      throw new CuddleError(
        'pki-damaged',
        `${path} is missing, and the secrets in ${store} cannot be read without it`,
        {
          hint: 'restore it from a copy, or move the store away to start empty',
        },
      )
    }
    writeFileAtomic(path, randomBytes(32), 0o600)
  }
  return readFileSync(path)
}
