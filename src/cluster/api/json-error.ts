/**
 * What Go's encoding/json says about bytes that are no JSON: kube-apiserver passes it on, and people compare. Called only when
 * JSON.parse has failed. Source of the words: encoding/json scanner.go.
 */
export function jsonError(bytes: Buffer): string {
  return new Scanner(bytes).problem() ?? 'unexpected end of JSON input'
}

const space = new Set([0x20, 0x09, 0x0a, 0x0d])
const escapes = new Set([...'bfnrt\\/"'].map((letter) => letter.charCodeAt(0)))
const code = (letter: string) => letter.charCodeAt(0)
const digit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** Go's quoteChar of a byte. */
function quoted(byte: number): string {
  if (byte === 0x27) return `'\\''`
  if (byte === 0x22) return `'"'`
  if (byte === 0x5c) return `'\\\\'`
  const named: Record<number, string> = { 7: 'a', 8: 'b', 9: 't', 10: 'n', 11: 'v', 12: 'f', 13: 'r' }
  if (named[byte]) return `'\\${named[byte]}'`
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`
  if (byte >= 0x80 && byte < 0xa1) return `'\\u00${byte.toString(16)}'`
  return `'${String.fromCharCode(byte)}'`
}

class Scanner {
  readonly #bytes: Buffer
  #at = 0
  #found: string | undefined

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Undefined when the text only ends too early. */
  problem(): string | undefined {
    const open: ('object' | 'array')[] = []
    let expect: 'value' | 'first' | 'key' | 'after' = 'value'
    for (;;) {
      const byte = this.#next()
      if (byte === undefined) return this.#found
      const inside = open.at(-1)
      if (expect === 'after') {
        if (inside === undefined) return this.#say(byte, 'after top-level value')
        const end = inside === 'object' ? code('}') : code(']')
        if (byte === end) open.pop()
        else if (byte !== code(',')) {
          return this.#say(byte, inside === 'object' ? 'after object key:value pair' : 'after array element')
        } else expect = inside === 'object' ? 'key' : 'value'
        this.#at++
        continue
      }
      if (expect === 'first' && byte === code(inside === 'object' ? '}' : ']')) {
        open.pop()
        this.#at++
        expect = 'after'
        continue
      }
      if (inside === 'object' && (expect === 'key' || expect === 'first')) {
        if (byte !== 0x22) return this.#say(byte, 'looking for beginning of object key string')
        if (!this.#string()) return this.#found
        const colon = this.#next()
        if (colon === undefined) return this.#found
        if (colon !== code(':')) return this.#say(colon, 'after object key')
        this.#at++
        expect = 'value'
        continue
      }
      if (byte === code('{') || byte === code('[')) {
        open.push(byte === code('{') ? 'object' : 'array')
        this.#at++
        expect = 'first'
        continue
      }
      if (!this.#scalar(byte)) return this.#found
      expect = 'after'
    }
  }

  #next(): number | undefined {
    while (this.#at < this.#bytes.length && space.has(this.#bytes[this.#at])) this.#at++
    return this.#bytes[this.#at]
  }

  #say(byte: number, where: string): string {
    this.#found = `invalid character ${quoted(byte)} ${where}`
    return this.#found
  }

  /** False when what begins here is no scalar, or ends too early. */
  #scalar(byte: number): boolean {
    if (byte === 0x22) return this.#string()
    if (byte === code('-') || digit(byte)) return this.#number()
    const word = ['true', 'false', 'null'].find((one) => code(one) === byte)
    if (word === undefined) {
      this.#say(byte, 'looking for beginning of value')
      return false
    }
    for (let index = 1; index < word.length; index++) {
      const got = this.#bytes[this.#at + index]
      if (got === undefined) return false
      if (got === word.charCodeAt(index)) continue
      this.#say(got, `in literal ${word} (expecting '${word[index]}')`)
      return false
    }
    this.#at += word.length
    return true
  }

  #string(): boolean {
    for (this.#at++; this.#at < this.#bytes.length; this.#at++) {
      const byte = this.#bytes[this.#at]
      if (byte === 0x22) {
        this.#at++
        return true
      }
      if (byte < 0x20) return !this.#say(byte, 'in string literal')
      if (byte !== 0x5c) continue
      const escaped = this.#bytes[++this.#at]
      if (escaped === undefined) return false
      if (escaped === code('u')) {
        for (let count = 0; count < 4; count++) {
          const hex = this.#bytes[++this.#at]
          if (hex === undefined) return false
          if (!/[0-9a-f]/i.test(String.fromCharCode(hex))) {
            return !this.#say(hex, 'in \\u hexadecimal character escape')
          }
        }
      } else if (!escapes.has(escaped)) return !this.#say(escaped, 'in string escape code')
    }
    return false
  }

  #number(): boolean {
    const digits = (where: string): boolean => {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return false
      if (!digit(byte)) return !this.#say(byte, where)
      while (digit(this.#bytes[this.#at])) this.#at++
      return true
    }
    if (this.#bytes[this.#at] === code('-')) this.#at++
    if (this.#bytes[this.#at] === code('0')) this.#at++
    else if (!digits('in numeric literal')) return false
    if (this.#bytes[this.#at] === code('.')) {
      this.#at++
      if (!digits('after decimal point in numeric literal')) return false
    }
    if ((this.#bytes[this.#at] ?? 0) === code('e') || (this.#bytes[this.#at] ?? 0) === code('E')) {
      this.#at++
      if (this.#bytes[this.#at] === code('+') || this.#bytes[this.#at] === code('-')) this.#at++
      if (!digits('in exponent of numeric literal')) return false
    }
    return true
  }
}
