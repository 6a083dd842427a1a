import { z } from 'zod';
import { createImage, deleteImage, listImages, readImage, writeImage, type ImageRow } from '../db/images';
import { parseImageReference, type ImageReference } from '../domain/image-reference';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, text, Uuid } from './fields';
import { HttpProblem, invalidInput, notFound } from './problem';
import { route, type Route } from './route';

const Fields = z.strictObject({
  description: text(2000).nullable().optional(),
  category: text(128).nullable().optional(),
  is_active: z.boolean().optional().describe('false lets none of its tags through.'),
});
const NewImage = Fields.extend({ image: z.string().min(1).max(512).describe('A name without tag and digest.') });

const Image = z.object({
  id: Uuid,
  image: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  category: z.string().nullable(),
  is_active: z.boolean(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});

/** The registry of approved images: what policies with `requires_approved_image` go by. */
export function imageRoutes({ pool }: ApiDeps): Route[] {
  const tag = 'Approved images';
  return [
    route({
      method: 'get',
      path: '/api/v1/images',
      tag,
      summary: 'Images of the registry of approved images, by name',
      access: 'viewer',
      query: pageQuery(z.string().max(512)),
      answers: {
        200: {
          description: 'A page of images',
          schema: z.object({ images: z.array(Image), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listImages(pool, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => row.image);
        return { status: 200, body: { images: items, next_cursor } };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/images',
      tag,
      summary: 'List an image; its tags are approved one by one',
      access: 'admin',
      body: jsonBody(NewImage),
      answers: { 201: { description: 'Listed', schema: Image }, 409: { description: 'It is listed already' } },
      handle: async ({ body }) => {
        const { image, name } = readName(body.image);
        const created = await createImage(pool, { image, name, ...toFields(body) });
        if (created === null) throw new HttpProblem(409, 'image-exists', `${image} is listed already`);
        return { status: 201, body: shown(created) };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/images/:id',
      tag,
      summary: 'One image',
      access: 'viewer',
      params: idParams('an image'),
      answers: { 200: { description: 'The image', schema: Image } },
      handle: async ({ params }) => ({ status: 200, body: shown(found(await readImage(pool, params.id), params.id)) }),
    }),
    route({
      method: 'put',
      path: '/api/v1/images/:id',
      tag,
      summary: 'Replace what is said about an image; what is not given takes its default',
      access: 'admin',
      params: idParams('an image'),
      body: jsonBody(Fields),
      answers: { 200: { description: 'The image as it is now', schema: Image } },
      handle: async ({ params, body }) => ({
        status: 200,
        body: shown(found(await writeImage(pool, params.id, toFields(body)), params.id)),
      }),
    }),
    route({
      method: 'delete',
      path: '/api/v1/images/:id',
      tag,
      summary: 'Take an image off the list, with all its approvals; rollouts go on',
      access: 'admin',
      params: idParams('an image'),
      answers: { 204: { description: 'Deleted' } },
      handle: async ({ params }) => {
        if (!(await deleteImage(pool, params.id))) throw notFound('image', params.id);
        return { status: 204 };
      },
    }),
  ];
}

function readName(written: string): ImageReference {
  const parsed = parseImageReference(written);
  if (!parsed.ok) throw invalidInput([{ path: 'image', message: parsed.error }]);
  const { tag, digest } = parsed.reference;
  if (tag !== null || digest !== null)
    throw invalidInput([{ path: 'image', message: 'name it without tag and digest: those go to /images/:id/tags' }]);
  return parsed.reference;
}

function toFields({ description = null, category = null, is_active = true }: z.output<typeof Fields>) {
  return { description, category, is_active };
}

function found(row: ImageRow | null, id: string): ImageRow {
  if (row === null) throw notFound('image', id);
  return row;
}

function shown(row: ImageRow): z.infer<typeof Image> {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() };
}
