-- Keys with which devices register themselves, and keys of devices that are changed while both are in use
-- (docs/adr/0014-device-keys.md).
create table provisioning_keys (
  id uuid primary key default gen_random_uuid(),
  -- SHA-256 of 256 random bits.
  key_hash bytea not null constraint provisioning_keys_hash unique constraint provisioning_keys_hash_length check (length(key_hash) = 32),
  fleet_id text,
  description text,
  max_devices integer not null constraint provisioning_keys_limit check (max_devices > 0),
  registered integer not null default 0 constraint provisioning_keys_within_limit check (registered between 0 and max_devices),
  -- Devices that register with it get no key: agents of the first generation make one and then never send it.
  keyless boolean not null default false,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);

alter table devices
  add column provisioning_key_id uuid references provisioning_keys on delete set null,
  -- What the device said of itself when it registered: {device_type, application_id, mac_address, ...}.
  add column registration jsonb constraint devices_registration_object check (jsonb_typeof(registration) = 'object'),
  -- The key before the last rotation, which still works until then.
  add column previous_key_hash bytea constraint devices_previous_key_hash_length check (length(previous_key_hash) = 32),
  add column previous_key_until timestamptz,
  add column key_rotated_at timestamptz,
  -- False from a rotation until the new key was used: only then is the device known to have it.
  add column key_proven boolean not null default true,
  add constraint devices_previous_key check ((previous_key_hash is null) = (previous_key_until is null));
create index devices_by_previous_key on devices (previous_key_hash) where previous_key_hash is not null;
