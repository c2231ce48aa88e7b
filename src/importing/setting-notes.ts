import { all, BUDGETS, CHECKS, TAGS } from "./notes.ts"

/** Why nothing of the file stands for LiteLLM's settings, and what to do instead. */

const BREAKERS =
  "health is learned from answers, and a provider that fails is left alone for a while by itself"
const REDIS = "where Redis is, the environment says: REDIS_URL"
const CACHE = "answers are not cached: a retried request with an Idempotency-Key is answered once"
const LOGS = "logs have their level in LOG_LEVEL and their form in LOG_FORMAT"
const CALLBACKS =
  "nothing is sent to such services: every request is in the ledger (GET /analytics), traces go to OTEL_EXPORTER_OTLP_ENDPOINT"
const KEYS = "what a key may have is said when it is made: llm-gateway keys create --help"
const TEAMS = "what a team may have is said when it is made: llm-gateway teams create --help"
const MCP = "there are no MCP servers in the gateway: let clients connect to them"
const SIGN_IN =
  "operators have tokens (llm-gateway admin token) and clients API keys: put a sign-in before it"
const CLIENTS = "requests go to providers as clients make them"
const DATABASE = "the gateway has a database of its own, or embedded: DATABASE_URL"
const SECRETS = "keys come from the environment, into which a manager of secrets can put them"
const ALERTS = "budgets alert by --alerts and ALERT_WEBHOOK_URL, all else by GET /metrics"
const PAGE = "there is no page to set this up in: the file and the command line do it"
const LEDGER = "every request is in the ledger: RETENTION_DAYS says for how long"
const PASS = "there are no routes that pass a vendor's own API through"
const HEADERS = "headers of clients are not passed on to providers"
const METRICS = "GET /metrics has the metrics that it has: METRICS=off turns it off"

/** By name, since LiteLLM takes several of them in more than one section. */
export const settingNotes: ReadonlyMap<string, string> = new Map([
  ...all(BREAKERS, "allowed_fails allowed_fails_policy cooldown_time disable_cooldowns retry_after cooldown"),
  ...all(
    BREAKERS,
    "background_health_checks health_check_interval health_check_details enable_health_check_routing",
  ),
  ...all(BREAKERS, "use_shared_health_check health_check_ignore_transient_errors"),
  ...all(
    "errors are retried by what they are: limits.max_attempts and limits.retry_ratio bound it",
    "retry_policy model_group_retry_policy max_retries disable_retry_on_max_parallel_request_limit_error",
  ),
  ...all(REDIS, "redis_host redis_port redis_password redis_url redis_db redis_ssl coordination_redis"),
  ...all(REDIS, "use_redis_transaction_buffer enable_redis_auth_cache"),
  ...all(CACHE, "cache cache_params cache_responses cache_kwargs caching_groups"),
  ...all(CACHE, "enable_caching_on_provider_specific_optional_params"),
  ...all(LOGS, "set_verbose debug_level"),
  ...all(
    CALLBACKS,
    "service_callbacks audit_log_callbacks s3_callback_params aws_sqs_callback_params callback_settings",
  ),
  ...all(
    CALLBACKS,
    "langfuse_default_tags langfuse_public_key langfuse_secret langfuse_secret_key langfuse_host",
  ),
  ...all(
    CALLBACKS,
    "argilla_transformation_object langsmith_batch_size cold_storage_custom_logger datadog_api_key",
  ),
  ...all(
    KEYS,
    "default_key_generate_params upperbound_key_generate_params key_generation_settings custom_key_generate",
  ),
  ...all(TEAMS, "default_team_params default_team_settings default_team_disabled"),
  ...all(BUDGETS, "max_internal_user_budget internal_user_budget_duration default_internal_user_params"),
  ...all(BUDGETS, "max_end_user_budget max_end_user_budget_id tag_budget_config provider_budget_config"),
  ...all(BUDGETS, "proxy_budget_rescheduler_min_time proxy_budget_rescheduler_max_time disable_reset_budget"),
  ...all(
    CHECKS,
    "guardrails policies policy_attachments llm_guard_mode prompt_injection_params banned_keywords_list",
  ),
  ...all(
    CHECKS,
    "blocked_user_list azure_content_safety_params llamaguard_model_name toxic_confidence_threshold",
  ),
  ...all(CHECKS, "google_moderation_confidence_threshold skip_system_message_in_guardrail"),
  ...all(
    MCP,
    "mcp_servers mcp_tools mcp_aliases mcp_semantic_tool_filter user_mcp_management_mode enable_mcp_registry",
  ),
  ...all(MCP, "mcp_internal_ip_ranges mcp_client_side_auth_header_name"),
  ...all(
    SIGN_IN,
    "custom_auth custom_auth_settings enable_jwt_auth litellm_jwtauth enable_oauth2_auth custom_sso",
  ),
  ...all(
    SIGN_IN,
    "custom_ui_sso_sign_in_handler ui_access_mode role_permissions allowed_routes admin_only_routes",
  ),
  ...all(
    SIGN_IN,
    "public_routes allowed_ips service_account_settings litellm_key_header_name UI_USERNAME UI_PASSWORD",
  ),
  ...all(
    CLIENTS,
    "modify_params completion_model enforced_params enforce_user_param global_prompt_directory",
  ),
  ...all(CLIENTS, "default_litellm_params vertex_ai_safety_settings reasoning_auto_summary force_ipv4"),
  ...all(CLIENTS, "return_response_headers include_cost_in_streaming_usage always_include_stream_usage"),
  ...all(TAGS, "enable_tag_filtering tag_filtering_match_any tag_routing tag_routing_prefix"),
  ...all(DATABASE, "database_connection_pool_limit database_connection_timeout database_socket_timeout"),
  ...all(
    DATABASE,
    "allow_requests_on_db_unavailable disable_prisma_schema_update supported_db_objects database_type",
  ),
  ...all(DATABASE, "database_args proxy_batch_write_at"),
  ...all(SECRETS, "key_management_system key_management_settings use_google_kms use_azure_key_vault"),
  ...all(
    ALERTS,
    "alerting alerting_threshold alerting_args alert_types alert_type_config alerts alert_to_webhook_url",
  ),
  ...all(ALERTS, "spend_report_frequency"),
  ...all(PAGE, "store_model_in_db ui_theme_config control_plane_url worker_registry"),
  ...all(LEDGER, "disable_spend_logs disable_spend_updates disable_error_logs store_audit_logs"),
  ...all(LEDGER, "maximum_spend_logs_retention_interval maximum_spend_logs_cleanup_cron"),
  ...all(
    "messages are never kept with a request",
    "store_prompts_in_spend_logs store_prompts_in_cold_storage",
  ),
  ...all(
    "messages are never logged",
    "turn_off_message_logging redact_user_api_key_info log_raw_request_response",
  ),
  ...all(PASS, "pass_through_endpoints use_client_credentials_pass_through_routes default_vertex_config"),
  ...all(
    HEADERS,
    "forward_client_headers_to_llm_api forward_llm_provider_auth_headers forward_openai_org_id",
  ),
  ...all(
    HEADERS,
    "add_user_information_to_llm_headers forward_traceparent_to_llm_provider model_group_settings",
  ),
  ...all(METRICS, "prometheus_metrics_config custom_prometheus_metadata_labels custom_prometheus_tags"),
  ...all(METRICS, "prometheus_initialize_budget_metrics prometheus_emit_stream_label"),
  ...all(METRICS, "require_auth_for_metrics_endpoint disable_end_user_cost_tracking_prometheus_only"),
  ...all(METRICS, "enable_end_user_cost_tracking_prometheus_only"),
  ...all(
    "a tag or a user is named by a header: see attribution in docs/configuration.md",
    "user_header_mappings",
  ),
  ...all(
    "a tag or a user is named by a header: see attribution in docs/configuration.md",
    "extra_spend_tag_headers",
  ),
  ...all(
    "prices stand under models or in prices, as they are paid",
    "cost_margin_config cost_discount_config custom_cost_per_token",
  ),
  ...all(
    "strategies have no arguments: see weights, exploration and hysteresis of a route",
    "routing_strategy_args",
  ),
  ...all("there are no groups of routes: state strategy in each", "routing_groups weights"),
  ...all(
    "a conversation stays where its prompt cache is by itself, where that pays",
    "optional_pre_call_checks deployment_affinity_ttl_seconds model_group_affinity_config",
  ),
  ...all(
    "clients that speak Responses or Messages are answered in them by themselves",
    "use_chat_completions_url_for_anthropic_messages route_all_chat_openai_to_responses",
  ),
  ...all(
    "no code of one's own runs in the gateway: a provider of kind openai-compatible is the place",
    "custom_provider_map",
  ),
  ...all(
    "certificates are always checked: name another authority's in NODE_EXTRA_CA_CERTS",
    "ssl_verify ssl_certificate ssl_security_level ssl_ecdh_curve",
  ),
  ...all(
    "tools that a vendor runs itself pass; the gateway runs none",
    "websearch_interception_params code_interpreter_interception_params compression_interception_params",
  ),
  ...all("there is one address of all keys: HOST and PORT", "host port"),
])

/** Whole sections that nothing of the file stands for. */
export const sectionNotes: ReadonlyMap<string, string> = new Map([
  ["guardrails", CHECKS],
  ["policies", CHECKS],
  ["policy_attachments", CHECKS],
  ["mcp_servers", MCP],
  ["mcp_tools", MCP],
  ["mcp_aliases", MCP],
  ["search_tools", "tools that a vendor runs itself pass; the gateway runs none"],
  ["sandbox_tools", "tools that a vendor runs itself pass; the gateway runs none"],
  ["vector_store_registry", "there are no vector stores: let clients search"],
  ["prompts", "prompts are the clients': there is no store of them"],
  ["agents", "the gateway runs no agents"],
  ["agent_list", "the gateway runs no agents"],
  ["finetune_settings", "fine-tuning goes to the vendor itself"],
  ["files_settings", "files and batches go to the vendor itself"],
  ["batch_settings", "files and batches go to the vendor itself"],
  ["assistant_settings", "assistants go to the vendor itself: Responses take their place"],
  ["callback_settings", CALLBACKS],
  ["worker_registry", PAGE],
  ["tag_routing", TAGS],
  ["litellm_jwtauth", SIGN_IN],
  ["include", "one file is read: import what it includes too, and put the files together"],
])

export const environmentNote =
  "the file sets no variables: put it into the environment or into .env, if the gateway is to read it"
