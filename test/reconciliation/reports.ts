/** Reports in the forms that vendors write them; shapes as they were seen, with names and amounts of nobody. */

export const openAiPage = JSON.stringify({
  object: "page",
  has_more: false,
  next_page: null,
  data: [
    {
      object: "bucket",
      start_time: 1_781_395_200,
      end_time: 1_781_481_600,
      start_time_iso: "2026-06-14T00:00:00",
      results: [
        ["0E-6176", "gpt-4o-mini-2024-07-18, cached input"],
        ["0.000004500000000000000000000000000000000", "gpt-4o-mini-2024-07-18, input"],
        ["0.00003420000000000000000000000000000000", "gpt-4o-mini-2024-07-18, output"],
        [1e-7, "ft-gpt-4o-2024-08-06, input"],
        ["0.12345678901234567", "text-embedding-3-large"],
        [0.000271, "assistants api | file search"],
        [0.03, "evals | gpt-4o-mini, input"],
        [-0.25, "web search tool calls"],
        [1.5, null],
      ].map(([value, line_item]) => ({
        object: "organization.costs.result",
        amount: { value, currency: "usd" },
        line_item,
        project_id: null,
      })),
    },
    { object: "bucket", start_time: 1_781_481_600, end_time: 1_781_568_000, results: [] },
  ],
})
  // No number of JavaScript has so many digits.
  .replace('"value":0.03', '"value":0.03000000000000000000001')

export const openAiCsv = `\uFEFFstart_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,organization_name
1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,0.8958740000000000,usd,"gpt-5-mini-2025-08-07, input",,org-a,Ada
1759708800,1759795200,2025-10-06T00:00:00+00:00,2025-10-07T00:00:00+00:00,0.56177125000000000,usd,,,org-a,Ada
1759968000,1760054400,2025-10-09T00:00:00+00:00,2025-10-10T00:00:00+00:00,,,,,,

`

export const anthropicPage = JSON.stringify({
  data: [
    {
      starting_at: "2026-08-01T00:00:00Z",
      ending_at: "2026-08-02T00:00:00Z",
      results: [
        {
          amount: "123.78912",
          currency: "USD",
          context_window: "0-200k",
          cost_type: "tokens",
          description: "Claude Opus 5 Usage - Input Tokens",
          model: "claude-opus-5",
          service_tier: "standard",
          token_type: "uncached_input_tokens",
          workspace_id: null,
        },
        {
          amount: "25",
          currency: "USD",
          cost_type: "web_search",
          description: "Web Search Usage",
          model: null,
        },
        {
          amount: "0.01",
          currency: "USD",
          cost_type: "session_usage",
          description: null,
          model: "claude-opus-5",
        },
        { amount: "1", currency: "USD", cost_type: null, description: null, model: null },
      ],
    },
    { starting_at: "2026-08-02T00:00:00Z", ending_at: "2026-08-03T00:00:00Z", results: [] },
  ],
  has_more: false,
  next_page: null,
})

export const anthropicCsv = `usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed
2026-08-04,Claude Haiku 4.5,Default,demo,message,≤ 200k,input_no_cache,0.05,0.05,token,not_available,

2026-08-05,Claude Opus 4.5,Default,demo,message,≤ 200k,output,0.30,0.30,token,not_available,
2026-08-05,Claude Opus 4.5,Default,demo,message,,,0.02,0.02,web_search,not_available,
`
