import { z } from 'zod';
import { PolicyInput } from '../api/policy-fields';

/** The parts of a JSON schema that a policy's fields are made of. */
interface Schema {
  type?: string | string[];
  const?: string;
  enum?: unknown[];
  description?: string;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

/** A row for every field of a policy, nested ones after their parent: field, meaning, default, limits. */
export function policyRows(): string[][] {
  const schema = z.toJSONSchema(PolicyInput, { io: 'input', unrepresentable: 'any' }) as unknown as Schema;
  return rowsOf(schema, '', topDefaults()).map((cells) => cells.map((text) => text.replaceAll('|', '\\|')));
}

/** Read from the fields themselves: zod leaves a default out of the schema of whatever is transformed. */
function topDefaults(): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(PolicyInput.shape).map(([name, field]) => [name, field.meta()?.['default']]),
  );
}

function rowsOf(schema: Schema, path: string, defaults: Record<string, unknown> = {}): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const own = `${path}${name}`;
    const standard = defaults[name];
    const shown = standard === undefined ? '' : `\`${JSON.stringify(standard)}\``;
    // Within a field it means: wherever that field is given.
    const needed = schema.required?.includes(name) === true ? 'needed' : shown;
    return [[`\`${own}\``, field.description ?? '', needed, limits(field, name)], ...below(field, own, standard)];
  });
}

/** Fields within a field: of an object, of a list's items, and of every alternative, which says of which kind it is. */
function below(field: Schema, path: string, standard: unknown): string[][] {
  const alternatives = [...(field.anyOf ?? []), ...(field.oneOf ?? [])];
  if (alternatives.length > 0)
    return alternatives.flatMap((one) => {
      const kind = one.properties?.['kind']?.const;
      if (kind === undefined) return below(one, path, undefined);
      const { kind: _, ...properties } = one.properties ?? {};
      const of = rowsOf({ properties }, `${path}.`);
      return of.map(([name = '', ...rest]) => [`${name} (kind \`${kind}\`)`, ...rest]);
    });
  if (field.items !== undefined) return rowsOf(field.items, `${path}[].`);
  const isObject = typeof standard === 'object' && standard !== null;
  return rowsOf(field, `${path}.`, isObject ? (standard as Record<string, unknown>) : {});
}

function limits(field: Schema, name: string): string {
  const unit = name.endsWith('_seconds') ? ' seconds' : '';
  const options = [field, ...(field.anyOf ?? [])];
  const said = options.flatMap((one) => {
    if (one.enum !== undefined) return [one.enum.map((value) => `\`${String(value)}\``).join(', ')];
    if (one.minimum !== undefined) return [`${group(one.minimum)} to ${group(one.maximum ?? Infinity)}${unit}`];
    if (one.items?.enum !== undefined)
      return [`of ${one.items.enum.map((value) => `\`${String(value)}\``).join(', ')}`];
    if (one.maxItems !== undefined) return [`at most ${group(one.maxItems)} entries`];
    if (one.maxLength !== undefined) return [`at most ${group(one.maxLength)} characters`];
    if (one.type === 'boolean') return ['`true`, `false`'];
    return [];
  });
  const kinds = (field.oneOf ?? []).map((one) => `\`${one.properties?.['kind']?.const ?? ''}\``);
  return [...said, ...(kinds.length > 0 ? [`kind ${kinds.join(', ')}`] : [])].join('; ');
}

function group(value: number): string {
  return value.toLocaleString('en-US');
}
