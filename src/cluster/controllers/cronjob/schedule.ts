import { parseDuration } from '#lib'

/** When a CronJob is due. Times are ms since the epoch. */
export interface Schedule {
  /** The first time after `from`. */
  next(from: number): number | undefined
  /** The last time in (from, to]. */
  latest(from: number, to: number): number | undefined
}

/**
 * Reads a schedule as robfig/cron does for Kubernetes: five fields, `@daily` and the like, `@every 90m`; `?` is `*`. Times
 * are of `timeZone` (IANA; UTC unless said). Throws what is wrong with it. The cron library comes only when it is needed.
 */
export async function readSchedule(text: string, timeZone = 'Etc/UTC'): Promise<Schedule> {
  const every = /^@every\s+(\S+)$/.exec(text.trim())
  if (every) return everyInterval(parseDuration(every[1]))
  const { Cron } = await import('croner')
  const pattern = text.trim().replaceAll('?', '*')
  const mode = pattern.startsWith('@') ? 'auto' : '5-part'
  const cron = new Cron(pattern, { timezone: timeZone, mode, paused: true })
  // An unknown time zone is noticed only when it is used.
  cron.nextRun()
  return {
    next: (from) => cron.nextRun(new Date(from))?.getTime(),
    latest(from, to) {
      // previousRuns is exclusive, and cron times are whole seconds.
      const found = cron.previousRuns(1, new Date(Math.floor(to / 1000) * 1000 + 1000))[0]?.getTime()
      return found !== undefined && found > from ? found : undefined
    },
  }
}

function everyInterval(duration: number | undefined): Schedule {
  const interval = Math.max(1000, duration ?? Number.NaN)
  if (Number.isNaN(interval)) throw new Error('the interval after @every is not a duration')
  return {
    next: (from) => from + interval,
    latest(from, to) {
      const runs = Math.floor((to - from) / interval)
      return runs > 0 ? from + runs * interval : undefined
    },
  }
}
