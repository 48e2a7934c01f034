import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuddleError } from '#lib'
import type { PodRecord } from './record.ts'

/**
 * Where a pod lives on disk:
 *
 *   pods/UID/pod.json                        what this node knows of it
 *   pods/UID/containers/NAME/NUMBER/…        one directory per attempt: pid, exit, stdout, stderr, log.N
 *   pods/UID/volumes/NAME/  work/  home/     volumes, an empty directory to run in, $HOME
 */
export class PodDirectory {
  readonly path: string

  constructor(pods: string, uid: string) {
    if (!/^[A-Za-z0-9-]{1,63}$/.test(uid)) throw new CuddleError('invalid', `"${uid}" is no pod uid`)
    this.path = join(pods, uid)
  }

  attempt(container: string, number: number): string {
    return join(this.#container(container), String(number))
  }

  /** The directory of an attempt that is about to begin; leftovers of one that never began go. */
  freshAttempt(container: string, number: number): string {
    const path = this.attempt(container, number)
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Drops attempts older than the one before `number`. */
  forget(container: string, number: number): void {
    const path = this.#container(container)
    if (!existsSync(path)) return
    for (const name of readdirSync(path)) {
      if (Number(name) < number - 1) rmSync(join(path, name), { recursive: true, force: true })
    }
  }

  volume(name: string): string {
    return join(this.path, 'volumes', safe(name))
  }

  /** A directory of the pod, or its own, made when it is first asked for. */
  make(name: 'work' | 'home' | '' = ''): string {
    const path = join(this.path, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Not synced to the disk: what it describes, running processes, does not outlive a power cut either. */
  save(record: PodRecord): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 })
    const path = join(this.path, 'pod.json')
    writeFileSync(`${path}.tmp`, JSON.stringify(record), { mode: 0o600 })
    renameSync(`${path}.tmp`, path)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 })
  }

  #container(name: string): string {
    return join(this.path, 'containers', safe(name))
  }
}

/** The records of all pods on disk; a damaged one counts as unknown, its processes are found by their mark. */
export function loadRecords(pods: string): { uid: string; record: PodRecord | undefined }[] {
  if (!existsSync(pods)) return []
  return readdirSync(pods).map((uid) => {
    try {
      const record = JSON.parse(readFileSync(join(pods, uid, 'pod.json'), 'utf8')) as PodRecord
      return { uid, record: record.version === 1 && record.pod?.metadata?.uid === uid ? record : undefined }
    } catch {
      return { uid, record: undefined }
    }
  })
}

function safe(name: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?$/.test(name)) return name
  throw new CuddleError('invalid', `"${name}" is no DNS label`)
}
