import { all, CHECKS } from "./notes.ts"

/** Why nothing stands for a field of LiteLLM's keys, and what to do instead. */

const SECRET = "secrets are kept as hashes: the key gets a new one, which its owner has to be given"
const HISTORY = "what was before stays in LiteLLM"
const SPENT = "what was spent stays in LiteLLM: budgets begin anew"
const BY_MODEL =
  "there are no limits of a key for one model: limits.models is for all keys, --models names what it may ask for"
const ROUTES = "a key may ask all routes of the API, for the models of --models"
const ROTATION = "keys are rotated by llm-gateway keys rotate"
const PEOPLE = "keys belong to teams: budgets set --scope user bounds end users, whom requests name"
const EACH = "what a route does, it does for all keys: see routes in docs/configuration.md"

export const keyNotes: ReadonlyMap<string, string> = new Map([
  ...all(SECRET, "token key key_name token_id api_key"),
  ...all(SPENT, "spend total_spend model_spend budget_reset_at soft_budget_cooldown budget_id"),
  ...all(
    HISTORY,
    "created_at created_by updated_at updated_by last_active settings_updated_at last_refreshed_at",
  ),
  ...all(HISTORY, "created_by_user rotation_count last_rotation_at"),
  ...all(ROTATION, "auto_rotate rotation_interval key_rotation_at"),
  ...all(BY_MODEL, "model_max_budget budget_limits budget_fallbacks rpm_limit_per_model tpm_limit_per_model"),
  ...all(BY_MODEL, "model_rpm_limit model_tpm_limit tpd_limit"),
  ...all(
    ROUTES,
    "permissions allowed_routes key_type allowed_cache_controls object_permission object_permission_id",
  ),
  ...all(ROUTES, "access_group_ids"),
  ...all(PEOPLE, "user_id user user_email organization_id org_id project_id agent_id end_user_id"),
  ...all(PEOPLE, "litellm_organization_table litellm_project_table jwt_key_mappings"),
  ...all(EACH, "aliases config router_settings"),
  ...all(CHECKS, "policies guardrails"),
  ...all("alerts are of budgets: llm-gateway budgets set --alerts", "soft_budget"),
  ...all("only tags are taken: nothing else is kept with a key", "metadata"),
])
