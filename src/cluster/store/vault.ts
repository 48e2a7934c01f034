import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const marker = 0x01

/** Encrypts what lies on disk: AES-256-GCM, bound to its key so that rows cannot be swapped. JSON starts with `{`, so the marker byte tells. */
export class Vault {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new Error(`the encryption key has ${key.length} bytes instead of 32`)
    this.#key = key
  }

  seal(key: string, plain: Uint8Array): Buffer {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv)
    cipher.setAAD(Buffer.from(key))
    const body = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([Buffer.of(marker), iv, cipher.getAuthTag(), body])
  }

  /** The plain bytes; what is not sealed is returned as it is. Throws when the key is wrong or a byte was changed. */
  open(key: string, value: Uint8Array): Buffer {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    if (bytes[0] !== marker) return bytes
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(1, 13))
    decipher.setAAD(Buffer.from(key))
    decipher.setAuthTag(bytes.subarray(13, 29))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(29)), decipher.final()])
    } catch (cause) {
      throw new Error(`${key} was encrypted with another key, or is damaged`, { cause })
    }
  }
}
