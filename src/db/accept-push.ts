import type { PoolClient } from 'pg';
import { unidentifiedRevision, type TagHistory } from '../domain/acceptance';
import type { DeviceSelection, RolloutRules } from '../domain/rules';
import { oldEnoughAt } from './old-enough';

/**
 * Makes acceptances of one image and tag wait for each other until the transaction ends: "is it new" and "write it" must
 * not be torn apart by a second delivery in between. Sorted, so that two envelopes cannot wait for each other; tags share a
 * thousand locks, because a batch of thousands would use up the server's table of them.
 */
export async function lockTags(client: PoolClient, names: readonly string[]): Promise<void> {
  await client.query(
    `select pg_advisory_xact_lock(key)
       from (select distinct hashtextextended('fleetwave.accept', mod(hashtext(name), 512)) as key
               from unnest($1::text[]) as name order by key) as sorted`,
    [names],
  );
}

/** Whose past is asked for: what ran in the lane, and what ran for the policy in whatever lane it had then. */
export interface LaneOfPolicy {
  lane: string;
  policyId: string | null;
  workflowId: string;
}

export interface TagFacts extends TagHistory {
  /** The asked revision; where none was asked, the one the tag was last seen with, in any lane. */
  revision: string;
  /** Of the last rollout of this revision, as its sender named it: what a registry said then may be another one by now. */
  digest: string | null;
  /** Attempts that this revision had in the lane, whoever's they were. */
  attempts: number;
  /** The standing hold on the revision, whichever lane's rollout placed it. */
  hold: { id: string; reason: string; rolloutId: string | null } | null;
  /** Of this workflow, the one that still gathers the events of a push. */
  gathering: { id: string; digest: string | null; strategy: string } | null;
  /** The newest rollout of the image that has not ended, and would not be replaced by one accepted now. */
  unended: { id: string; tag: string } | null;
}

/** The past of a tag in a lane for one revision, in one statement. `revision` null asks for whatever the tag was last seen with. */
export async function readTagFacts(
  client: PoolClient,
  image: string,
  tag: string,
  revision: string | null,
  { lane, policyId, workflowId }: LaneOfPolicy,
): Promise<TagFacts> {
  const { rows } = await client.query<Omit<TagFacts, 'holdReason'>>(
    `with of_tag as (
       select id, attempt, strategy, pushed_at, ended_at, status, digest, nullif(resolution -> 'gave_digest', 'false') as gave_digest, revision, lane, policy_id, created_at
         from image_rollouts where image = $1 and tag = $2
     ), own as (
       select * from of_tag where lane = $5 or policy_id = $6::uuid
     ), newest as (
       select * from own order by created_at desc, id desc limit 1
     ), asked as (
       select coalesce($3, (select revision from of_tag order by created_at desc, id desc limit 1), $4) as revision
     ), same as (
       select own.* from own, asked where own.revision = asked.revision order by own.attempt desc, own.created_at desc limit 1
     )
     select asked.revision,
            (select case when gave_digest is null then digest end from of_tag where of_tag.revision = asked.revision order by created_at desc, id desc limit 1) as digest,
            (select coalesce(max(attempt), 0) from of_tag where of_tag.revision = asked.revision and lane = $5) as attempts,
            (select ${KNOWN_ROLLOUT} from newest r) as newest,
            (select ${KNOWN_ROLLOUT} from same r) as same,
            (select jsonb_build_object('id', h.id, 'reason', h.reason, 'rolloutId', coalesce(h.rollout_id, (select id from same))) from image_holds h
              where h.image = $1 and h.tag = $2 and h.lifted_at is null
                -- What was pushed without a digest is held under its event; its registry may have said which one it was.
                and (h.revision = asked.revision or exists (select from image_rollouts r where r.id = h.rollout_id and r.digest = asked.revision))
              order by h.revision = asked.revision desc, h.created_at desc limit 1) as hold,
            exists (select from image_holds h, same where h.image = $1 and h.tag = $2 and h.revision = asked.revision
              and h.lifted_at >= same.ended_at and (h.rollout_id is null or h.rollout_id in (select id from own))) as "holdLifted",
            (select jsonb_build_object('id', r.id, 'digest', r.digest, 'strategy', r.strategy) from image_rollouts r
              where r.workflow_id = $7 and r.ended_at is null and r.dispatched_at is null and r.gathers_until > now()
              order by r.created_at desc limit 1) as gathering,
            (select jsonb_build_object('id', r.id, 'tag', r.tag) from image_rollouts r
              where r.image = $1 and r.ended_at is null and (r.lane = $5 or r.policy_id = $6::uuid)
                and not (r.workflow_id = $7 and r.planned_at is null and (r.dispatched_at is null or ${oldEnoughAt('r')} > fleetwave.now()))
              order by r.created_at desc, r.id desc limit 1) as unended
       from asked`,
    [image, tag, revision, unidentifiedRevision, lane, policyId, workflowId],
  );
  if (rows[0] === undefined) throw new Error('reading the past of a tag gave no row');
  return { ...rows[0], holdReason: rows[0].hold?.reason ?? null };
}

const KNOWN_ROLLOUT = `jsonb_build_object('id', r.id, 'attempt', r.attempt, 'strategy', r.strategy, 'pushedAt', r.pushed_at, 'ended', r.ended_at is not null, 'rollingBack', r.status = 'rolling_back')`;

export interface NewRollout {
  image: string;
  imageName: string;
  registry: string;
  repository: string;
  tag: string;
  digest: string | null;
  revision: string;
  attempt: number;
  rules: RolloutRules;
  selection: DeviceSelection;
  policyId: string;
  lane: string;
  /** Of all policies that decide about this push. */
  lanes: readonly string[];
  trigger: 'webhook' | 'manual' | 'reconcile';
  actor: string;
  deliveryId: string | null;
  pushedAt: string | null;
  workflowId: string;
  /** For how long other events of the same push are gathered before it is dispatched. */
  debounceSeconds: number;
  /** Goes into the event that tells where the rollout came from. */
  origin: Record<string, unknown>;
}

/**
 * Writes the rollout, its first events, and the end of an older push of the tag and lane that was not started yet, in one
 * statement. So ends one in a lane whose policy decides no more: started later, it would undo this push on devices that are
 * another policy's by now.
 * The policy may have been deleted since it was read; its rules were copied, so the rollout goes on without its id.
 * One that is planned already runs, though nobody has noted its start yet: that run is asked to give way when this starts.
 * `created_at` is taken under the tag's lock, not from the transaction's start: it is the order of acceptance.
 */
export async function insertRollout(client: PoolClient, rollout: NewRollout): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `with gathering as (
       -- A burst ends with its first event's time: a tag that is pushed again and again does not wait for ever.
       select now() as now, least(now() + make_interval(secs => $21), min(gathers_until)) as until
         from image_rollouts where workflow_id = $17 and ended_at is null and dispatched_at is null and gathers_until > now()
     ), accepted as (
       insert into image_rollouts (image, image_name, registry, repository, tag, digest, revision, attempt, strategy, policy_id,
                                   rules, selection, trigger, actor, delivery_id, pushed_at, workflow_id, lane, created_at, gathers_until, dispatch_after)
       select $1, $2, $3, $4, $5, $6, $7, $8::integer, $9::text,
              (select id from image_update_policies where id = $10 for key share), $11, $12, $13, $14, $15, $16, $17, $19,
              greatest(fleetwave.clock(), (select max(created_at) + interval '1 microsecond' from image_rollouts where image = $1 and tag = $5)),
              case when $21 > 0 then until end, case when $21 > 0 then until else now end
         from gathering
       returning id
     ), overtaken as (
       update image_rollouts set status = 'superseded', ended_at = fleetwave.now(), reason = 'a newer push of the tag was accepted before it was started'
        where (workflow_id = $17 or image = $1 and tag = $5 and lane <> all ($20::text[]))
          and dispatched_at is null and planned_at is null and ended_at is null
       returning id
     ), told as (
       insert into rollout_events (rollout_id, type, actor, reason, data)
       select id, case $13::text when 'webhook' then 'image.webhook_received' when 'reconcile' then 'image.found_by_reconcile' else 'image.update_triggered' end, $14::text, null, $18::jsonb from accepted
       union all
       select id, 'rollout.accepted', $14, null, jsonb_build_object('attempt', $8::integer, 'strategy', $9::text, 'policy_id', $10::uuid) from accepted
       union all
       select overtaken.id, 'rollout.superseded', $14, 'a newer push of the tag was accepted before it was started',
              jsonb_build_object('by', accepted.id) from overtaken, accepted
     )
     select id from accepted`,
    [
      rollout.image,
      rollout.imageName,
      rollout.registry,
      rollout.repository,
      rollout.tag,
      rollout.digest,
      rollout.revision,
      rollout.attempt,
      rollout.rules.strategy,
      rollout.policyId,
      JSON.stringify(rollout.rules),
      JSON.stringify(rollout.selection),
      rollout.trigger,
      rollout.actor,
      rollout.deliveryId,
      rollout.pushedAt,
      rollout.workflowId,
      JSON.stringify(rollout.origin),
      rollout.lane,
      rollout.lanes,
      rollout.debounceSeconds,
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('accepting a rollout wrote no row');
  return id;
}
