-- Which images a policy with requires_approved_image lets through, and the requests that refused pushes opened.
create table images (
  id uuid primary key default gen_random_uuid(),
  -- `registry/repository`, normalised.
  image text not null constraint images_once unique,
  -- As its author wrote it (`redis`), for people.
  name text not null,
  description text,
  category text,
  -- An image that is not active lets none of its tags through.
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- A row is an approval, unless it is deprecated. Without a digest it is for pushes that name none.
create table image_tags (
  id uuid primary key default gen_random_uuid(),
  image_id uuid not null references images (id) on delete cascade,
  tag text not null,
  digest text,
  recommended boolean not null default false,
  -- Without a digest: the tag, whatever it points to.
  deprecated boolean not null default false,
  approved_at timestamptz not null default now(),
  approved_by text not null,
  constraint image_tags_once unique nulls not distinct (image_id, tag, digest)
);

create table image_approval_requests (
  id uuid primary key default gen_random_uuid(),
  image text not null,
  image_name text not null,
  tag text not null,
  digest text,
  status text not null default 'pending' constraint image_approval_requests_status check (status in ('pending', 'approved', 'rejected', 'expired')),
  requested_at timestamptz not null default now(),
  requested_by text not null,
  reason text,
  -- The newest push that waits for the decision, with where it came from; null where a person asked ahead of any push.
  push jsonb,
  pushed_at timestamptz,
  decided_at timestamptz,
  decided_by text,
  decision_reason text,
  -- What the waiting push came to when it was let through.
  outcome text,
  rollout_id uuid references image_rollouts (id) on delete set null,
  constraint image_approval_requests_decided check ((status = 'pending') = (decided_at is null))
);
create unique index image_approval_requests_one_pending on image_approval_requests (image, tag, digest) nulls not distinct where status = 'pending';
create index image_approval_requests_by_tag on image_approval_requests (image, tag, requested_at desc);
create index image_approval_requests_by_time on image_approval_requests (requested_at desc, id desc);
create index image_approval_requests_by_rollout on image_approval_requests (rollout_id) where rollout_id is not null;
