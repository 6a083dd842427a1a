import type { HealthCheck } from './checks';
import {
  defaultRules,
  rulesForStrategy,
  type BatchStep,
  type DeviceSelection,
  type FailureAction,
  type Growth,
  type RolloutRules,
  type Strategy,
} from './rules';
import type { TagRule } from './tag-rules';
import type { MaintenanceWindow } from './windows';

/** One step as the API writes it. */
export type SettingsStep = ({ percent: number } | { count: number } | { tag: string } | { fleet_id: string }) & {
  approval?: boolean | undefined;
  delay_seconds?: number | undefined;
  soak_seconds?: number | undefined;
};

/** A tag rule as the API writes it. */
export type SettingsTagRule =
  Exclude<TagRule, { kind: 'semver' }> | { kind: 'semver'; range: string; allow_downgrade?: boolean | undefined };

/** A check as the API writes it. */
export type SettingsCheck =
  | { kind: 'container_running' }
  | { kind: 'tcp'; port: number; timeout_seconds?: number | undefined }
  | {
      kind: 'http';
      port: number;
      path?: string | undefined;
      status?: number | undefined;
      timeout_seconds?: number | undefined;
    }
  | { kind: 'custom'; name: string };

/** Seconds that one look may take. */
const CHECK_TIMEOUT = 5;

/** A policy's settings as stored: the API's own snake_case, only what was given. Defaults apply when a push is accepted. */
export interface PolicySettings {
  tag_rule?: SettingsTagRule | undefined;
  pin?: 'auto' | 'tag' | 'digest' | undefined;
  batches?: SettingsStep[] | Growth | undefined;
  batch_delay_seconds?: number | undefined;
  health?:
    | {
        timeout_seconds?: number | undefined;
        soak_seconds?: number | undefined;
        checks?: SettingsCheck[] | undefined;
      }
    | undefined;
  max_failure_rate?: number | undefined;
  max_failures?: number | null | undefined;
  min_sample?: number | undefined;
  on_failure?: FailureAction | undefined;
  rollback_timeout_seconds?: number | undefined;
  retry?: { attempts?: number | undefined; delay_seconds?: number | undefined } | undefined;
  on_newer?: 'supersede' | 'queue' | undefined;
  offline?: { after_seconds?: number | undefined; catch_up_hours?: number | undefined } | undefined;
  windows?: MaintenanceWindow[] | undefined;
  min_age_seconds?: number | undefined;
  platforms?: string[] | undefined;
  requires_approval?: boolean | undefined;
  requires_approved_image?: boolean | undefined;
}

/** What of a policy decides how a rollout goes and to which devices. */
export interface PolicyFacts {
  update_strategy: Strategy;
  settings: PolicySettings;
  fleet_id: string | null;
  device_tags: Record<string, string> | null;
  device_uuids: string[] | null;
}

/** The rules that a push accepted now under this policy would follow. */
export function toRules({
  update_strategy: strategy,
  settings,
}: Pick<PolicyFacts, 'update_strategy' | 'settings'>): RolloutRules {
  return rulesForStrategy({
    strategy,
    // What was approved is a digest: a tag alone could point to something else by the time a device pulls it.
    pin: settings.pin ?? (settings.requires_approved_image === true ? 'digest' : defaultRules.pin),
    tagRule: settings.tag_rule === undefined ? defaultRules.tagRule : toTagRule(settings.tag_rule),
    ...toSteps(settings.batches),
    batchDelaySeconds: settings.batch_delay_seconds ?? defaultRules.batchDelaySeconds,
    healthTimeoutSeconds: settings.health?.timeout_seconds ?? defaultRules.healthTimeoutSeconds,
    soakSeconds: settings.health?.soak_seconds ?? defaultRules.soakSeconds,
    ...toChecks(settings.health?.checks),
    maxFailureRate: settings.max_failure_rate ?? defaultRules.maxFailureRate,
    maxFailures: settings.max_failures === undefined ? defaultRules.maxFailures : settings.max_failures,
    minSample: settings.min_sample ?? defaultRules.minSample,
    onFailure: settings.on_failure ?? defaultRules.onFailure,
    rollbackTimeoutSeconds: settings.rollback_timeout_seconds ?? defaultRules.rollbackTimeoutSeconds,
    retryAttempts: settings.retry?.attempts ?? defaultRules.retryAttempts,
    retryDelaySeconds: settings.retry?.delay_seconds ?? defaultRules.retryDelaySeconds,
    requiresApproval: settings.requires_approval ?? defaultRules.requiresApproval,
    onNewer: settings.on_newer ?? defaultRules.onNewer,
    offlineAfterSeconds: settings.offline?.after_seconds ?? defaultRules.offlineAfterSeconds,
    catchUpHours: settings.offline?.catch_up_hours ?? defaultRules.catchUpHours,
    windows: settings.windows ?? defaultRules.windows,
    minAgeSeconds: settings.min_age_seconds ?? defaultRules.minAgeSeconds,
    platforms: settings.platforms ?? defaultRules.platforms,
  });
}

/** The devices this policy is about. */
export function toSelection(policy: Pick<PolicyFacts, 'fleet_id' | 'device_tags' | 'device_uuids'>): DeviceSelection {
  return {
    ...(policy.fleet_id === null ? {} : { fleetId: policy.fleet_id }),
    ...(policy.device_tags === null ? {} : { deviceTags: policy.device_tags }),
    ...(policy.device_uuids === null ? {} : { deviceUuids: policy.device_uuids }),
  };
}

/** The settings in force, given or default, in the API's words: made from the rules, so that the two cannot disagree. */
export function effectiveSettings(policy: Pick<PolicyFacts, 'update_strategy' | 'settings'>): Required<PolicySettings> {
  const rules = toRules(policy);
  return {
    tag_rule: fromTagRule(rules.tagRule),
    pin: rules.pin,
    batches: rules.growth ?? rules.steps.map(fromStep),
    batch_delay_seconds: rules.batchDelaySeconds,
    health: {
      timeout_seconds: rules.healthTimeoutSeconds,
      soak_seconds: rules.soakSeconds,
      checks: (rules.checks ?? []).map(fromCheck),
    },
    max_failure_rate: rules.maxFailureRate,
    max_failures: rules.maxFailures,
    min_sample: rules.minSample,
    on_failure: rules.onFailure,
    rollback_timeout_seconds: rules.rollbackTimeoutSeconds,
    retry: { attempts: rules.retryAttempts, delay_seconds: rules.retryDelaySeconds },
    on_newer: rules.onNewer,
    offline: { after_seconds: rules.offlineAfterSeconds, catch_up_hours: rules.catchUpHours },
    windows: rules.windows,
    min_age_seconds: rules.minAgeSeconds,
    platforms: rules.platforms,
    requires_approval: rules.requiresApproval,
    requires_approved_image: policy.settings.requires_approved_image ?? false,
  };
}

/** Whatever else is looked at, the container has to run. */
function toChecks(checks: readonly SettingsCheck[] | undefined): Pick<RolloutRules, 'checks'> {
  const given = (checks ?? []).map(toCheck).filter((check) => check.kind !== 'container_running');
  return { checks: [{ kind: 'container_running' }, ...given] };
}

function toCheck(check: SettingsCheck): HealthCheck {
  if (check.kind === 'container_running' || check.kind === 'custom') return check;
  const { port, timeout_seconds: timeoutSeconds = CHECK_TIMEOUT } = check;
  if (check.kind === 'tcp') return { kind: 'tcp', port, timeoutSeconds };
  return { kind: 'http', port, path: check.path ?? '/', status: check.status ?? null, timeoutSeconds };
}

function fromCheck(check: HealthCheck): SettingsCheck {
  if (check.kind === 'container_running' || check.kind === 'custom') return check;
  const { kind, port, timeoutSeconds: timeout_seconds } = check;
  if (kind === 'tcp') return { kind, port, timeout_seconds };
  return { kind, port, path: check.path, ...(check.status === null ? {} : { status: check.status }), timeout_seconds };
}

function toTagRule(rule: SettingsTagRule): TagRule {
  if (rule.kind !== 'semver') return rule;
  return { kind: 'semver', range: rule.range, allowDowngrade: rule.allow_downgrade ?? false };
}

function fromTagRule(rule: TagRule): SettingsTagRule {
  if (rule.kind !== 'semver') return rule;
  return { kind: 'semver', range: rule.range, allow_downgrade: rule.allowDowngrade };
}

function toSteps(batches: PolicySettings['batches']): Pick<RolloutRules, 'steps' | 'growth'> {
  if (batches === undefined) return { steps: defaultRules.steps, growth: null };
  return Array.isArray(batches) ? { steps: batches.map(toStep), growth: null } : { steps: [], growth: batches };
}

function toStep(step: SettingsStep): BatchStep {
  const own = {
    ...(step.approval === true ? { approval: true } : {}),
    ...(step.delay_seconds === undefined ? {} : { delaySeconds: step.delay_seconds }),
    ...(step.soak_seconds === undefined ? {} : { soakSeconds: step.soak_seconds }),
  };
  if ('percent' in step) return { percent: step.percent, ...own };
  if ('count' in step) return { count: step.count, ...own };
  return 'tag' in step ? { tag: step.tag, ...own } : { fleetId: step.fleet_id, ...own };
}

function fromStep(step: BatchStep): SettingsStep {
  const own = {
    ...(step.approval === true ? { approval: true } : {}),
    ...(step.delaySeconds === undefined ? {} : { delay_seconds: step.delaySeconds }),
    ...(step.soakSeconds === undefined ? {} : { soak_seconds: step.soakSeconds }),
  };
  if ('percent' in step) return { percent: step.percent, ...own };
  if ('count' in step) return { count: step.count, ...own };
  return 'tag' in step ? { tag: step.tag, ...own } : { fleet_id: step.fleetId, ...own };
}
