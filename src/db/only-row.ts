/** The row of a statement that always answers exactly one, such as `insert ... returning`. */
export function onlyRow<Row>({ rows }: { rows: Row[] }): Row {
  const [row] = rows;
  if (row === undefined || rows.length !== 1) throw new Error(`one row was expected, ${rows.length} came`);
  return row;
}
