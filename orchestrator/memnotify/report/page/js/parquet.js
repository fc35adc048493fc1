// A table as Parquet: one row group, one page a column, plain values, nothing compressed.
// https://parquet.apache.org/docs/file-format/ ; the metadata are Thrift's compact protocol.
const I32 = 5, I64 = 6, TEXT = 8, LIST = 9, STRUCT = 12;
const KINDS = { boolean: 0, integer: 2, number: 5, text: 6 };
const utf8 = new TextEncoder();

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const zigzag = (value) => varint(value * 2);
const sized = (bytes) => [...varint(bytes.length), ...bytes];

// `fields` are [number, type, value] with growing numbers. A list's value is [type, items].
function struct(fields) {
  const bytes = [];
  let last = 0;
  for (const [number, type, value] of fields) {
    bytes.push(((number - last) << 4) | type);
    bytes.push(...thrift(type, value));
    last = number;
  }
  return [...bytes, 0];
}

function thrift(type, value) {
  if (type === I32 || type === I64) return zigzag(value);
  if (type === TEXT) return sized(utf8.encode(value));
  if (type === STRUCT) return struct(value);
  const [of, items] = value;
  const head = items.length < 15 ? [(items.length << 4) | of] : [0xf0 | of, ...varint(items.length)];
  return items.reduce((bytes, item) => bytes.concat(thrift(of, item)), head);
}

function kindOf(values) {
  const there = values.filter((value) => value !== null && value !== undefined);
  if (there.length && there.every((value) => typeof value === "boolean")) return "boolean";
  if (there.length && there.every((value) => typeof value === "number")) {
    return there.every(Number.isSafeInteger) ? "integer" : "number";
  }
  return "text";
}

// Which values are there, as runs of equal flags.
function levels(values) {
  const bytes = [];
  for (let at = 0; at < values.length;) {
    let end = at;
    while (end < values.length && (values[end] === null) === (values[at] === null)) end += 1;
    bytes.push(...varint((end - at) * 2), values[at] === null ? 0 : 1);
    at = end;
  }
  return joined([fixed(4, (view) => view.setUint32(0, bytes.length, true)), Uint8Array.from(bytes)]);
}

function fixed(size, write) {
  const bytes = new Uint8Array(size);
  write(new DataView(bytes.buffer));
  return bytes;
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function plain(kind, values) {
  if (kind === "boolean") {
    const bytes = new Uint8Array(Math.ceil(values.length / 8));
    values.forEach((value, at) => { if (value) bytes[at >> 3] |= 1 << (at & 7); });
    return bytes;
  }
  if (kind === "integer") {
    return joined(values.map((value) => fixed(8, (view) => view.setBigInt64(0, BigInt(value), true))));
  }
  if (kind === "number") {
    return joined(values.map((value) => fixed(8, (view) => view.setFloat64(0, value, true))));
  }
  return joined(values.flatMap((value) => {
    const text = utf8.encode(typeof value === "object" ? JSON.stringify(value) : String(value));
    return [fixed(4, (view) => view.setUint32(0, text.length, true)), text];
  }));
}

function parquet({ columns, rows }) {
  const parts = [utf8.encode("PAR1")];
  const schema = [[[4, TEXT, "schema"], [5, I32, columns.length]]];
  const chunks = [];
  let offset = 4, total = 0;
  columns.forEach((name, at) => {
    const values = rows.map((row) => row[at] ?? null);
    const kind = kindOf(values), type = KINDS[kind];
    const body = joined([levels(values), plain(kind, values.filter((value) => value !== null))]);
    const page = [[1, I32, values.length], [2, I32, 0], [3, I32, 3], [4, I32, 3]];
    const head = Uint8Array.from(struct([[1, I32, 0], [2, I32, body.length], [3, I32, body.length], [5, STRUCT, page]]));
    const size = head.length + body.length;
    schema.push([[1, I32, type], [3, I32, 1], [4, TEXT, name], ...(kind === "text" ? [[6, I32, 0]] : [])]);
    chunks.push([[2, I64, offset], [3, STRUCT, [
      [1, I32, type], [2, LIST, [I32, [0, 3]]], [3, LIST, [TEXT, [name]]], [4, I32, 0], [5, I64, values.length],
      [6, I64, size], [7, I64, size], [9, I64, offset]]]]);
    parts.push(head, body);
    offset += size;
    total += size;
  });
  const group = [[1, LIST, [STRUCT, chunks]], [2, I64, total], [3, I64, rows.length]];
  const foot = Uint8Array.from(struct([
    [1, I32, 1], [2, LIST, [STRUCT, schema]], [3, I64, rows.length], [4, LIST, [STRUCT, [group]]], [6, TEXT, "memnotify report"]]));
  return joined([...parts, foot, fixed(4, (view) => view.setUint32(0, foot.length, true)), utf8.encode("PAR1")]);
}
