import { all, BUDGETS, CHECKS, TAGS } from "./notes.ts"

/** Why nothing stands for a field of `litellm_params` or `model_info`, and what to do instead. */

const CLIENTS = "the gateway adds no parameters to requests: let clients state it"
const TIMEOUTS = "timeouts hold for all providers alike: see timeouts.headers_ms and timeouts.first_token_ms"
const RETRIES = "retries are bounded for all providers alike: see limits.max_attempts"
const AWS = "requests to Bedrock are not signed: make a Bedrock API key and set AWS_BEARER_TOKEN_BEDROCK"
const GOOGLE =
  "Vertex AI is asked with an API key, which knows its project: make one and set the variable of the provider's key"
const ENTRA =
  "there is no sign-in with Entra ID: set the variable of the provider's key to a key of the resource"
const BREAKERS = "health is learned from answers, and a provider that fails is left alone by itself"
const HEADERS = "no headers of one's own are sent to providers"
const TESTS = "for trying things out there is the kind simulated"
const STORES = "buckets, batches and files are not used"
/** Of all that says more of a model than there is room for. */
export const MODEL_NOTE =
  "of a model the file knows kind, context_window, max_output_tokens, inputs, unsupported and price"
const PROMPTS = "prompts are the clients': there is no store of them"

export const parameterNotes: ReadonlyMap<string, string> = new Map([
  ...all(TIMEOUTS, "timeout stream_timeout request_timeout"),
  ...all(RETRIES, "max_retries num_retries"),
  ...all(
    CLIENTS,
    "temperature top_p top_k max_tokens max_completion_tokens max_new_tokens min_tokens seed stop n",
  ),
  ...all(
    CLIENTS,
    "presence_penalty frequency_penalty repetition_penalty logit_bias reasoning_effort reasoning thinking",
  ),
  ...all(
    CLIENTS,
    "response_format tools tool_choice web_search_options safety_settings extra_body user metadata",
  ),
  ...all(
    CLIENTS,
    "service_tier serviceTier performanceConfig keep_alive dimensions encoding_format modalities stream",
  ),
  ...all(CLIENTS, "cache_control_injection_points instructions voice input_type allowed_openai_params"),
  ...all(
    AWS,
    "aws_access_key_id aws_secret_access_key aws_secret_access_id aws_session_token aws_session_name",
  ),
  ...all(AWS, "aws_profile_name aws_role_name aws_web_identity_token aws_sts_endpoint aws_external_id"),
  ...all(GOOGLE, "vertex_project vertex_location vertex_credentials vertex_ai_project vertex_ai_location"),
  ...all(GOOGLE, "vertex_ai_credentials"),
  ...all(ENTRA, "azure_ad_token azure_scope azure_username azure_password tenant_id client_id client_secret"),
  ...all(
    "make the key in the organization or project that it is for",
    "organization project_id openai_organization",
  ),
  ...all(TAGS, "tags tag_regex"),
  ...all(BUDGETS, "max_budget budget_duration"),
  ...all(CHECKS, "guardrails guardrailConfig"),
  ...all(
    BREAKERS,
    "cooldown_time allowed_fails health_check_timeout health_check_model health_check_max_tokens",
  ),
  ...all(BREAKERS, "disable_background_health_check"),
  ...all(HEADERS, "extra_headers headers default_headers user_agent"),
  ...all(TESTS, "mock_response mock_timeout mock_tool_calls"),
  ...all(STORES, "s3_bucket_name s3_region_name s3_access_key_id s3_secret_access_key s3_encryption_key_id"),
  ...all(STORES, "gcs_bucket_name bucket_name aws_batch_role_arn"),
  ...all(
    PROMPTS,
    "prompt_id prompt_variables roles initial_prompt_value final_prompt_value bos_token eos_token",
  ),
  ...all("certificates are always checked: name another authority's in NODE_EXTRA_CA_CERTS", "ssl_verify"),
  ...all(
    "there is no choice by region: name the providers of the region in a route",
    "region_name allowed_model_region",
  ),
  ...all("there are no routes that pass a vendor's own API through", "use_in_pass_through"),
  ...all(PROMPTS, "merge_reasoning_content_in_choices user_continue_message"),
  ...all("there are no vector stores: let clients search", "vector_store_ids"),
  ...all("a provider and its model have the name provider/model, and no other id", "id model_id"),
  ...all("keys name what they may ask for: llm-gateway keys create --models", "access_groups team_id"),
  ...all(
    MODEL_NOTE,
    "description version metadata litellm_provider supported_environments supported_endpoints",
  ),
  ...all(
    MODEL_NOTE,
    "supports_web_search supports_computer_use supports_audio_output supports_system_messages",
  ),
  ...all(
    MODEL_NOTE,
    "supports_prompt_caching supports_native_streaming supports_url_context supports_assistant_prefill",
  ),
  ...all(MODEL_NOTE, "supports_embedding_image_input my_custom_key custom_tokenizer web_search_billing_unit"),
  ...all(MODEL_NOTE, "created_at created_by updated_at updated_by"),
])
