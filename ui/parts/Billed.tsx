import { count, money, NONE } from "../format.ts"
import type { LoggedRequest } from "../request-detail.ts"
import { Table } from "./Table.tsx"
import { Text } from "./Text.tsx"

/** What a request cost, line by line, and by which price. */
export const Billed = ({ of: { attempts, cost, request } }: { readonly of: LoggedRequest }) => {
  const wasted = attempts.flatMap(({ answered, cost_usd }) => (answered ? [] : (cost_usd ?? [])))
  const wastedUsd = wasted.reduce((sum, usd) => sum + usd, 0)
  return (
    <>
      {cost.lines !== null && (
        <Table
          caption="What was billed"
          columns={[
            { title: "Of", cell: ({ kind }) => kind.replaceAll("_", " ") },
            { title: "Count", isNumber: true, cell: (line) => count(line.count) },
            {
              title: "Price",
              isNumber: true,
              cell: ({ usd_each, usd_per_1m }) =>
                usd_per_1m === undefined ? `${money(usd_each)} each` : `${money(usd_per_1m)} / 1M`,
            },
            { title: "Cost", isNumber: true, cell: ({ usd }) => money(usd) },
          ]}
          keyOf={({ kind }) => kind}
          rows={cost.lines}
        />
      )}
      <dl class="particulars">
        <dt>Together</dt>
        <dd>
          {money(request.cost_usd)}
          {request.cost_reason !== null && ` (${request.cost_reason.replaceAll("_", " ")})`}
        </dd>
        {request.service_tier !== null && (
          <>
            <dt>Service tier</dt>
            <dd>
              <Text value={request.service_tier} />, whose factor is in the cost
            </dd>
          </>
        )}
        {cost.reported_usd !== null && (
          <>
            <dt>The provider says</dt>
            <dd>{money(cost.reported_usd)}</dd>
          </>
        )}
        {wastedUsd > 0 && (
          <>
            <dt>Other attempts</dt>
            <dd>{money(wastedUsd)} beside that</dd>
          </>
        )}
        <dt>Price</dt>
        <dd>
          {cost.price !== null ? (
            <>
              <Text value={cost.price.source} />, read {cost.price.as_of}
              {cost.price.valid_from !== null && `, valid from ${cost.price.valid_from}`}
            </>
          ) : request.price_version === null ? (
            NONE
          ) : (
            <>
              <Text value={request.price_version} />
              {request.price_version !== REPORTED && ", which the configuration has no more"}
            </>
          )}
        </dd>
      </dl>
    </>
  )
}

/** In place of a price row: the provider said what the answer cost. */
const REPORTED = "provider"
