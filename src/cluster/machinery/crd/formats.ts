import { isIP, isIPv4, isIPv6 } from 'node:net'

const day = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/
function uuid(version: string): (value: string) => boolean {
  const pattern = new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i')
  return (value) => pattern.test(value)
}

function cidr(value: string): boolean {
  const [address, bits, ...more] = value.split('/')
  if (more.length > 0 || !/^\d{1,3}$/.test(bits ?? '')) return false
  return Number(bits) <= (isIPv4(address) ? 32 : 128) && isIP(address) > 0
}

function uri(value: string): boolean {
  try {
    return new URL(value) !== undefined
  } catch {
    return value.startsWith('/')
  }
}

/** The formats that apiextensions checks; formats it does not know are ignored (KEP-5713 list). */
export const formats: Record<string, (value: string) => boolean> = {
  'date-time': (value) =>
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => day.test(value) && !Number.isNaN(Date.parse(value)),
  duration: (value) => /^[+-]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h|d|w))+$|^0$/.test(value),
  byte: (value) => /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0,
  email: (value) => /^[^\s@]+@[^\s@]+$/.test(value),
  hostname: (value) =>
    value.length <= 253 &&
    /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\.?$/i.test(value),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr,
  mac: (value) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value),
  uri,
  uuid: uuid('[0-9a-f]'),
  uuid3: uuid('3'),
  uuid4: uuid('4'),
  uuid5: uuid('5'),
}
