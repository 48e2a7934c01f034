const suffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** A Kubernetes quantity (`500m`, `128Mi`, `1e3`, `2`) as a number of base units; undefined when it is none. */
export function parseQuantity(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(value)
  if (!match) return undefined
  return match[2] ? Number(match[1] + match[2]) : Number(match[1]) * suffixes[match[3] ?? '']
}

/** A CPU amount in cores as a canonical quantity: whole cores plain, else millicores rounded up. */
export function formatCpu(cores: number): string {
  const milli = Math.ceil(cores * 1000 - 1e-9)
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`
}

/** A number of bytes as a canonical quantity: the largest binary suffix that divides it. */
export function formatBytes(bytes: number): string {
  const whole = Math.ceil(bytes)
  for (const suffix of ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki']) {
    if (whole >= suffixes[suffix] && whole % suffixes[suffix] === 0) return `${whole / suffixes[suffix]}${suffix}`
  }
  return String(whole)
}
