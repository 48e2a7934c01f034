import type { Finding } from './problems.ts'

/*
 * Kubernetes reads schedules with robfig/cron's ParseStandard: five fields or a descriptor. A schedule that another cron
 * takes (seconds, L, W, #, Sunday as 7) is refused here, with its place, instead of by the API server in a rollout.
 */
const fields = [
  { name: 'minute', min: 0, max: 59, words: [] as string[] },
  { name: 'hour', min: 0, max: 23, words: [] },
  { name: 'day of month', min: 1, max: 31, words: [] },
  { name: 'month', min: 1, max: 12, words: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ') },
  { name: 'day of week', min: 0, max: 6, words: 'sun mon tue wed thu fri sat'.split(' ') },
]
type Field = (typeof fields)[number]
const descriptors = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually']
const longestMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Why a text is no schedule that a CronJob takes, or undefined when it is one. */
export function checkCron(schedule: string): Finding | undefined {
  const text = schedule.trim()
  if (text.length > 200) return { message: 'schedule is longer than 200 characters' }
  if (/^(CRON_)?TZ=/.test(text)) {
    return { message: 'schedule holds a time zone', hint: 'write it as timezone: Europe/Berlin' }
  }
  if (text.startsWith('@')) {
    if (descriptors.includes(text)) return undefined
    return { message: `schedule ${JSON.stringify(text)} is none of ${descriptors.join(', ')}` }
  }
  const parts = text === '' ? [] : text.split(/\s+/)
  if (parts.length !== 5) {
    return {
      message: `schedule ${JSON.stringify(text)} has ${parts.length} field${parts.length === 1 ? '' : 's'} instead of 5`,
      hint: 'minute hour day-of-month month day-of-week, for example "0 3 * * *"',
    }
  }
  const sets: Set<number>[] = []
  for (const [index, field] of fields.entries()) {
    const set = readField(parts[index], field)
    if (!(set instanceof Set)) return set
    sets.push(set)
  }
  const anyWeekday = /^[*?]/.test(parts[4])
  if (anyWeekday && ![...sets[3]].some((month) => [...sets[2]].some((day) => day <= longestMonth[month - 1]))) {
    return { message: `schedule ${JSON.stringify(text)} never comes: no such day in that month` }
  }
  return undefined
}

function readField(text: string, field: Field): Set<number> | Finding {
  const values = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(?:([*?])|([A-Za-z0-9]+)(?:-([A-Za-z0-9]+))?)(?:\/(\d+))?$/.exec(part)
    if (!match) return wrong(field, part, 'is not a number, range, list or step')
    const [, star, from, to, stepText] = match
    const step = stepText === undefined ? 1 : Number(stepText)
    if (step === 0) return wrong(field, part, 'has a step of 0')
    const low = star ? field.min : number(from, field)
    const high = star ? field.max : to !== undefined ? number(to, field) : stepText !== undefined ? field.max : low
    if (low === undefined || high === undefined) {
      return wrong(field, part, `is not a number from ${field.min} to ${field.max}`)
    }
    if (low < field.min || high > field.max) {
      const sunday = field.name === 'day of week' && (low === 7 || high === 7)
      return {
        ...wrong(field, part, `is outside ${field.min} to ${field.max}`),
        ...(sunday && { hint: 'Sunday is 0' }),
      }
    }
    if (low > high) return { ...wrong(field, part, 'runs backwards'), hint: `write ${to}-${from}` }
    for (let value = low; value <= high; value += step) values.add(value)
  }
  return values
}

function number(text: string, field: Field): number | undefined {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  const index = field.words.indexOf(text.toLowerCase())
  return index === -1 ? undefined : index + field.min
}

function wrong(field: Field, part: string, what: string): Finding {
  return { message: `${field.name} ${JSON.stringify(part)} ${what}` }
}
