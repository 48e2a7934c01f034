import type { PrinterColumn, ResourceInfo } from '../types.ts'
import { age, type Cell } from './cells.ts'
import { printers } from './columns.ts'
import { jsonPath } from './jsonpath.ts'
import type { Printer } from './printer.ts'

export interface ColumnDefinition {
  name: string
  type: string
  format: string
  description: string
  /** Above 0: only with `-o wide`. */
  priority: number
}

export interface Row {
  cells: Cell[]
  conditions?: { type: string; status: string; reason: string; message: string }[]
}

const nameDescription = 'Name must be unique within a namespace.'
const ageColumn: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/**
 * What `kubectl get` prints of objects, as metav1.Table has it (without the rows' objects): the columns of the kind's own
 * printer, of the definition's additionalPrinterColumns, or Name and Age. `now` is in milliseconds.
 */
export function table(
  info: ResourceInfo,
  objects: Record<string, any>[],
  options: { now: number },
): { columnDefinitions: ColumnDefinition[]; rows: Row[] } {
  const { now } = options
  const printer = info.custom ? undefined : printers[`${info.group}/${info.kind}`]
  if (printer)
    return {
      columnDefinitions: printer.columns.map(builtinColumn),
      rows: objects.map((object) => row(printer, object, now)),
    }
  const columns = info.printerColumns?.length ? info.printerColumns : [ageColumn]
  return {
    columnDefinitions: [builtinColumn('Name'), ...columns.map(customColumn)],
    rows: objects.map((object) => ({
      cells: [object.metadata.name, ...columns.map((column) => customCell(column, object, now))],
    })),
  }
}

function row(printer: Printer, object: Record<string, any>, now: number): Row {
  return printer.row ? printer.row(object, now) : { cells: printer.cells(object, now) }
}

function builtinColumn(text: string): ColumnDefinition {
  const wide = text.startsWith('*')
  const [name, kind] = text.slice(wide ? 1 : 0).split(':')
  const isName = name === 'Name'
  return {
    name,
    type: kind === undefined || kind === 'name' ? 'string' : kind,
    format: isName ? 'name' : '',
    description: isName ? nameDescription : '',
    priority: wide ? 1 : 0,
  }
}

function customColumn(column: PrinterColumn): ColumnDefinition {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description || `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
    priority: column.priority ?? 0,
  }
}

function customCell(column: PrinterColumn, object: unknown, now: number): Cell {
  const found = jsonPath(column.jsonPath, object).filter((value) => value !== undefined && value !== null)
  if (found.length === 0) return column.type === 'date' ? '<unknown>' : null
  const [first] = found
  switch (column.type) {
    case 'integer':
      return Number.isInteger(Number(first)) ? Number(first) : null
    case 'number':
      return Number.isFinite(Number(first)) ? Number(first) : null
    case 'boolean':
      return typeof first === 'boolean' ? first : null
    case 'date':
      return typeof first === 'string' ? age(first, now) : '<invalid>'
    default: {
      const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
      return found.length === 1 ? text(first) : found.map(text).join(',')
    }
  }
}
