import { closeSync, existsSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { CuddleError } from '#lib'
import type { Vault } from './vault.ts'

/** Written into the SQLite header: this file is a Cuddle store … */
const applicationId = 0x43554444
/** … of this schema. */
export const schemaVersion = 1

/** A row as it lies on disk, opened: `previous` null in the log means that the object was created. */
export interface DiskObject {
  key: string
  rv: number
  bytes: Buffer
}
export interface DiskChange {
  key: string
  rv: number
  previous: Buffer | null
  previousRv: number
}

/** A write of one object: `bytes` null deletes it; `previous` is what the log keeps so that history can be rebuilt. */
export interface DiskWrite {
  key: string
  rv: number
  bytes: Buffer | null
  previous: Buffer | null
  previousRv: number
  secret: boolean
}

/** The SQLite file: WAL, synchronous=FULL, held exclusively by one process. */
export class Disk {
  readonly #db: DatabaseSync
  readonly #vault: Vault
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #append: StatementSync
  readonly #trim: StatementSync
  readonly #begin: StatementSync
  readonly #commit: StatementSync

  private constructor(db: DatabaseSync, vault: Vault) {
    this.#db = db
    this.#vault = vault
    const update = 'ON CONFLICT(key) DO UPDATE SET rv = excluded.rv, val = excluded.val'
    this.#put = db.prepare(`INSERT INTO obj(key, rv, val) VALUES (?, ?, ?) ${update}`)
    this.#remove = db.prepare('DELETE FROM obj WHERE key = ?')
    this.#append = db.prepare('INSERT INTO log(rv, key, prev_rv, prev) VALUES (?, ?, ?, ?)')
    this.#trim = db.prepare('DELETE FROM log WHERE rv <= ?')
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
  }

  /**
   * Opens or creates the file. CuddleError `store-locked` when another process holds it, `store-newer` when a newer Cuddle
   * wrote it, `store-corrupt` when it is no (whole) store; nothing is changed then.
   */
  static open(path: string, vault: Vault, options: { maxPages?: number } = {}): Disk {
    const fresh = checkHeader(path)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(path, { timeout: 0 })
      db.exec('PRAGMA locking_mode=EXCLUSIVE')
      if (fresh) create(db)
      db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY')
      // A log of up to 16 MiB: pages that many commits touch are copied into the database once.
      db.exec('PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=16777216')
      if (options.maxPages) db.exec(`PRAGMA max_page_count=${Math.trunc(options.maxPages)}`)
      // An exclusive lock is taken with the first write, not with the open.
      db.exec('BEGIN IMMEDIATE; COMMIT')
      return new Disk(db, vault)
    } catch (error) {
      close(db)
      throw explain(path, error)
    }
  }

  /** Every object and, newest first, every change of the log. */
  load(path: string): { objects: DiskObject[]; changes: DiskChange[]; revision: number } {
    try {
      const objects: DiskObject[] = []
      for (const row of this.#db.prepare('SELECT key, rv, val FROM obj ORDER BY key').iterate()) {
        const key = row['key'] as string
        const bytes = this.#vault.open(key, row['val'] as Uint8Array)
        if (bytes[0] !== 0x7b || bytes[bytes.length - 1] !== 0x7d)
          throw new Error(`the value of ${key} is no JSON object`)
        objects.push({ key, rv: row['rv'] as number, bytes })
      }
      const changes: DiskChange[] = []
      for (const row of this.#db.prepare('SELECT rv, key, prev_rv, prev FROM log ORDER BY rv DESC').iterate()) {
        const key = row['key'] as string
        const previous = row['prev'] === null ? null : this.#vault.open(key, row['prev'] as Uint8Array)
        changes.push({ key, rv: row['rv'] as number, previous, previousRv: row['prev_rv'] as number })
      }
      const newest = this.#db.prepare("SELECT value FROM meta WHERE name = 'revision'").get() as { value: number }
      const revision = objects.reduce((max, object) => Math.max(max, object.rv), newest.value)
      return { objects, changes, revision: Math.max(revision, changes[0]?.rv ?? 0) }
    } catch (error) {
      this.close()
      throw explain(path, error)
    }
  }

  /** Commits all writes in one transaction, durably, or none of them and throws. `trimTo`: history up to it may go. */
  commit(writes: readonly DiskWrite[], trimTo: number): void {
    this.#begin.run()
    try {
      for (const { key, rv, bytes, previous, previousRv, secret } of writes) {
        if (bytes === null) this.#remove.run(key)
        else this.#put.run(key, rv, secret ? this.#vault.seal(key, bytes) : bytes)
        this.#append.run(rv, key, previousRv, previous && secret ? this.#vault.seal(key, previous) : previous)
      }
      if (trimTo > 0) {
        this.#trim.run(trimTo)
        this.#db.prepare("UPDATE meta SET value = ? WHERE name = 'revision'").run(writes[writes.length - 1].rv)
      }
      this.#commit.run()
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    close(this.#db)
  }
}

function create(db: DatabaseSync): void {
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE obj(key TEXT PRIMARY KEY, rv INTEGER NOT NULL, val BLOB NOT NULL);
    CREATE TABLE log(rv INTEGER PRIMARY KEY, key TEXT NOT NULL, prev_rv INTEGER NOT NULL, prev BLOB);
    CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('revision', 1000);
    PRAGMA application_id=${applicationId};
    PRAGMA user_version=${schemaVersion};
    COMMIT`)
}

/** Reads the version from the first page without SQLite, which would already recover and rewrite. True = there is no store yet. */
function checkHeader(path: string): boolean {
  if (!existsSync(path)) return true
  const header = Buffer.alloc(100)
  const fd = openSync(path, 'r')
  const read = readSync(fd, header, 0, 100, 0)
  closeSync(fd)
  // A crash between creating the file and its first transaction leaves it empty.
  if (read === 0) return true
  if (read < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw corrupt(path, 'it is not an SQLite file')
  }
  const id = header.readUInt32BE(68)
  const version = header.readUInt32BE(60)
  if (id === 0 && version === 0) return true
  if (id !== applicationId) throw corrupt(path, 'it was not written by cuddle')
  if (version > schemaVersion) {
    throw new CuddleError(
      'store-newer',
      `the store ${path} has schema ${version}, this cuddle knows ${schemaVersion}`,
      {
        hint: 'start the newer cuddle that wrote it, or choose another CUDDLE_HOME',
      },
    )
  }
  return false
}

function corrupt(path: string, what: string, cause?: unknown): CuddleError {
  return new CuddleError('store-corrupt', `the store ${path} cannot be read: ${what}`, {
    hint: 'nothing was changed; restore the file from a copy, or move it away to start empty',
    cause,
  })
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof CuddleError || !(error instanceof Error)) return error
  const code = (error as { errcode?: number }).errcode
  if (code !== undefined && ((code & 0xff) === 5 || (code & 0xff) === 6)) {
    return new CuddleError('store-locked', `the store ${path} is in use by another process`, {
      hint: 'only one cuddle can run on one CUDDLE_HOME; stop the other one first: cuddle down',
      cause: error,
    })
  }
  return corrupt(path, error.message, error)
}

function close(db: DatabaseSync | undefined): void {
  try {
    db?.close()
  } catch {
    // A damaged file may refuse even that; the process gives the descriptor back.
  }
}
