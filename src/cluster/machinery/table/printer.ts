import { age, type Cell } from './cells.ts'

export interface Printer {
  /** Names; `*` in front = wide output only. Types other than string follow a colon. */
  columns: string[]
  cells(object: any, now: number): Cell[]
  row?(object: any, now: number): { cells: Cell[]; conditions?: any[] }
}

/** Printers by group and kind. */
export type Printers = Record<string, Printer>

/** The Age cell. */
export const created = (object: any, now: number): string => age(object.metadata.creationTimestamp, now)

/** A number, 0 where there is none. */
export const n = (value: unknown): number => (typeof value === 'number' ? value : 0)

/** Kinds that only show when they were made. */
export const createdAt: Printer = {
  columns: ['Name', 'Created At:date'],
  cells: (object) => [object.metadata.name, object.metadata.creationTimestamp ?? null],
}
