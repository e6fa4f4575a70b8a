import type { ComponentChildren, VNode } from 'preact';

export interface Column<Row> {
  readonly title: string;
  readonly isNumber?: boolean;
  /** Whether the title is for screen readers only. */
  readonly hasHiddenTitle?: boolean;
  readonly cell: (row: Row) => ComponentChildren;
}

interface TableProperties<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
}

/**
 * A table. On a narrow screen each row is a card. The roles are written out because a browser forgets them
 * when a row is no table row for CSS.
 */
export function Table<Row>({ label, columns, rows, keyOf }: TableProperties<Row>): VNode {
  return (
    <table role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, isNumber, hasHiddenTitle }) => (
            <th key={title} role="columnheader" scope="col" class={isNumber ? 'number' : undefined}>
              {hasHiddenTitle ? <span class="hidden">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map(({ title, isNumber, cell }) => (
              <td key={title} role="cell" data-label={title} class={isNumber ? 'number' : undefined}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
