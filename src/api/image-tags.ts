import { z } from 'zod';
import { createImageTag, deleteImageTag, listImageTags, writeImageTag, type ImageTagRow } from '../db/image-tags';
import { readImage } from '../db/images';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { Digest, idParams, ImageTag, pageQuery, TimeAndId, Uuid } from './fields';
import { HttpProblem, notFound } from './problem';
import { route, type Route } from './route';

const Marks = z.strictObject({
  recommended: z.boolean().optional().describe('For people; decides nothing.'),
  deprecated: z
    .boolean()
    .optional()
    .describe('Refused like an unapproved one; without a digest, the tag with every digest.'),
});
const NewTag = Marks.extend({
  tag: ImageTag,
  digest: Digest.nullable().optional().describe('Without it the approval is for pushes that name no digest.'),
});
const Tag = z.object({
  id: Uuid,
  tag: z.string(),
  digest: z.string().nullable(),
  recommended: z.boolean(),
  deprecated: z.boolean(),
  approved_at: z.iso.datetime(),
  approved_by: z.string(),
});
const TagParams = idParams('an image').extend({ tag_id: Uuid });

/** The approvals of an image, each for one tag and one digest. */
export function imageTagRoutes({ pool }: ApiDeps): Route[] {
  const tag = 'Approved images';
  return [
    route({
      method: 'get',
      path: '/api/v1/images/:id/tags',
      tag,
      summary: "An image's approved and deprecated tags, newest first",
      access: 'viewer',
      params: idParams('an image'),
      query: pageQuery(TimeAndId),
      answers: {
        200: {
          description: 'A page of tags',
          schema: z.object({ tags: z.array(Tag), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ params, query }) => {
        if ((await readImage(pool, params.id)) === null) throw notFound('image', params.id);
        const rows = await listImageTags(pool, params.id, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => [row.approved_key, row.id]);
        return { status: 200, body: { tags: items, next_cursor } };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/images/:id/tags',
      tag,
      summary: 'Approve a tag, with the digest it is approved for; pushes that come from now on are let through',
      access: 'admin',
      params: idParams('an image'),
      body: jsonBody(NewTag),
      answers: { 201: { description: 'Approved', schema: Tag }, 409: { description: 'It is listed already' } },
      handle: async ({ params, body, actor }) => {
        const { tag: name, digest = null, recommended = false, deprecated = false } = body;
        const created = await createImageTag(pool, params.id, {
          ...{ tag: name, digest, recommended, deprecated },
          approvedBy: actor,
        });
        if (created === 'no_image') throw notFound('image', params.id);
        if (created === 'exists')
          throw new HttpProblem(
            409,
            'image-tag-exists',
            `${name} is listed already${digest === null ? '' : ' with this digest'}`,
          );
        return { status: 201, body: shown(created) };
      },
    }),
    route({
      method: 'put',
      path: '/api/v1/images/:id/tags/:tag_id',
      tag,
      summary: 'Say whether a tag is recommended or deprecated; what is not given is false',
      access: 'admin',
      params: TagParams,
      body: jsonBody(Marks),
      answers: { 200: { description: 'The tag as it is now', schema: Tag } },
      handle: async ({ params, body: { recommended = false, deprecated = false } }) => {
        const row = await writeImageTag(pool, params.id, params.tag_id, { recommended, deprecated });
        if (row === null) throw notFound('image tag', params.tag_id);
        return { status: 200, body: shown(row) };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/images/:id/tags/:tag_id',
      tag,
      summary: 'Withdraw an approval; rollouts that it let through go on',
      access: 'admin',
      params: TagParams,
      answers: { 204: { description: 'Withdrawn' } },
      handle: async ({ params }) => {
        if (!(await deleteImageTag(pool, params.id, params.tag_id))) throw notFound('image tag', params.tag_id);
        return { status: 204 };
      },
    }),
  ];
}

function shown(row: ImageTagRow): z.infer<typeof Tag> {
  const { id, tag, digest, recommended, deprecated, approved_by } = row;
  return { id, tag, digest, recommended, deprecated, approved_at: row.approved_at.toISOString(), approved_by };
}
