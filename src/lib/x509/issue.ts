import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from './der.ts'

export interface Subject {
  commonName: string
  organization?: string
  /** DNS names and IP addresses of a server. */
  names?: readonly string[]
  server?: boolean
  client?: boolean
}

export interface Issued {
  /** PEM. */
  cert: string
  /** PEM, PKCS#8. */
  key: string
}

const validityMs = 3650 * 86_400_000
const authorityName = 'cuddle-ca'

/** A self-signed authority: EC P-256, ten years, with the extensions that OpenSSL's strict mode (Python ≥ 3.13) demands of RFC 5280. */
export function issueAuthority(now: number, commonName = authorityName): Issued {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = name({ commonName })
  const extensions = [
    extension('2.5.29.19', true, sequence(boolean(true))),
    // keyCertSign and cRLSign
    extension('2.5.29.15', true, bits(Buffer.of(0x06), 1)),
  ]
  return certificate({ subject, issuer: subject, keys, signer: keys, now, extensions })
}

/** A certificate for `subject`, signed by `ca`, whose name is `authority`. */
export function issue(ca: Issued, subject: Subject, now: number, authority = authorityName): Issued {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const privateKey = createPrivateKey(ca.key)
  const usages = [
    ...(subject.server ? [oid('1.3.6.1.5.5.7.3.1')] : []),
    ...(subject.client ? [oid('1.3.6.1.5.5.7.3.2')] : []),
  ]
  const extensions = [
    extension('2.5.29.19', true, sequence()),
    // digitalSignature
    extension('2.5.29.15', true, bits(Buffer.of(0x80), 7)),
    extension('2.5.29.37', false, sequence(...usages)),
    ...(subject.names ? [extension('2.5.29.17', false, sequence(...subject.names.map(alternativeName)))] : []),
  ]
  return certificate({
    subject: name(subject),
    issuer: name({ commonName: authority }),
    keys,
    signer: { privateKey, publicKey: createPublicKey(privateKey) },
    now,
    extensions,
  })
}

interface Keys {
  privateKey: KeyObject
  publicKey: KeyObject
}

function certificate(options: {
  subject: Buffer
  issuer: Buffer
  keys: Keys
  signer: Keys
  now: number
  extensions: Buffer[]
}): Issued {
  const { subject, issuer, keys, signer, now, extensions } = options
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
  const serial = randomBytes(16)
  serial[0] = (serial[0] & 0x3f) | 0x40
  const body = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(serial),
    ecdsaWithSha256,
    issuer,
    // An hour of tolerance for clocks that are set back.
    sequence(time(now - 3_600_000), time(now + validityMs)),
    subject,
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', false, octets(keyIdentifier(keys.publicKey))),
        extension('2.5.29.35', false, sequence(implicit(0, keyIdentifier(signer.publicKey)))),
      ),
    ),
  )
  const der = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, signer.privateKey)))
  const lines = der.toString('base64').match(/.{1,64}/g)!
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value))
}

/** SHA-1 of the public key's bits (RFC 5280 4.2.1.2, method 1): a P-256 point is the last 65 bytes of its SPKI. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }).subarray(-65))
    .digest()
}

function name({ commonName, organization }: Subject): Buffer {
  const part = (id: string, value: string) => set(sequence(oid(id), utf8(value)))
  return organization
    ? sequence(part('2.5.4.10', organization), part('2.5.4.3', commonName))
    : sequence(part('2.5.4.3', commonName))
}

function alternativeName(value: string): Buffer {
  if (!isIP(value)) return implicit(2, Buffer.from(value))
  return implicit(7, isIP(value) === 4 ? Buffer.from(value.split('.').map(Number)) : ipv6(value))
}

function ipv6(address: string): Buffer {
  const [head, tail] = address.split('::')
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [])
  const left = groups(head)
  const right = groups(tail)
  const all = [...left, ...new Array(8 - left.length - right.length).fill(0), ...right]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
