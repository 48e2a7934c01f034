const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'

const patterns = {
  label: new RegExp(`^${label}$`),
  label1035: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  subdomain: new RegExp(`^${subdomain}$`),
  qualified: new RegExp(`^${qualified}$`),
  labelValue: new RegExp(`^(${qualified})?$`),
  envVar: /^[ -<>-~]+$/,
  configKey: /^[-._a-zA-Z0-9]+$/,
  port: /^[-a-z0-9]+$/,
}

const tooLongText = (max: number) => `must be no more than ${max} characters`

/** Each returns what is wrong with a name, in the API server's words; empty when nothing is. */
export function dnsLabel(name: string): string[] {
  const out = name.length > 63 ? [tooLongText(63)] : []
  if (!patterns.label.test(name) && patterns.subdomain.test(name)) out.push('must not contain dots')
  else if (!patterns.label.test(name))
    out.push(
      `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`,
    )
  return out
}

export function dns1035(name: string): string[] {
  const out = name.length > 63 ? [tooLongText(63)] : []
  if (!patterns.label1035.test(name))
    out.push(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
  return out
}

export function dnsSubdomain(name: string): string[] {
  const out = name.length > 253 ? [tooLongText(253)] : []
  if (!patterns.subdomain.test(name))
    out.push(
      `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`,
    )
  return out
}

/** RBAC and flow-control names: whatever a path segment may be. */
export function pathSegment(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`)
}

export function qualifiedName(name: string): string[] {
  const parts = name.split('/')
  const text = (what: string) =>
    `${what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualified}')`
  if (parts.length > 2)
    return [`${text('a valid label key')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  const out: string[] = []
  if (parts.length === 2) {
    if (parts[0] === '') out.push('prefix part must be non-empty')
    else out.push(...dnsSubdomain(parts[0]).map((problem) => `prefix part ${problem}`))
  }
  const last = parts.at(-1)!
  if (last === '') out.push('name part must be non-empty')
  else if (last.length > 63) out.push(`name part ${tooLongText(63)}`)
  if (!patterns.qualified.test(last)) out.push(text('name part'))
  return out
}

export function labelValue(value: string): string[] {
  const out = value.length > 63 ? [`must be no more than 63 bytes`] : []
  if (!patterns.labelValue.test(value))
    out.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${qualified})?')`,
    )
  return out
}

export function envVarName(name: string): string[] {
  return patterns.envVar.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

export function configKey(name: string): string[] {
  const out = name.length > 253 ? [tooLongText(253)] : []
  if (!patterns.configKey.test(name))
    out.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    )
  else if (name === '.' || name === '..') out.push(`must not be '${name}'`)
  else if (name.startsWith('..')) out.push("must not start with '..'")
  return out
}

/** An IANA service name: ports' names. */
export function portName(name: string): string[] {
  const out: string[] = []
  if (name.length > 15) out.push('must be no more than 15 characters')
  if (!patterns.port.test(name)) out.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) out.push('must contain at least one letter (a-z)')
  if (name.includes('--')) out.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) out.push('must not begin or end with a hyphen')
  return out
}

export function portNumber(port: unknown): string[] {
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535
    ? []
    : ['must be between 1 and 65535, inclusive']
}
