import type { RequestInFull } from "../analytics/Analytics.ts"
import type { RequestDetail } from "../api/logged-request.ts"
import { priceVersion, sourceOf } from "../catalog/cost.ts"
import { costLines } from "../catalog/cost-lines.ts"
import { rowsOf } from "../catalog/price-history.ts"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { toUsd } from "../domain/Money.ts"

/** Adds to a request what its cost is made of: by the price row that it names, where the configuration still has that. */
export const requestDetail = (
  { reportedNanoUsd, usage, ...read }: RequestInFull,
  providers: GatewayConfig["providers"],
): typeof RequestDetail.Type => {
  const { cost_usd, model, price_version, provider } = read.request
  const priced = providers.find(({ name }) => name === provider)?.models.find(({ name }) => name === model)
  const row = rowsOf(priced?.price).find((row) => priceVersion(row) === price_version)
  const lines = row === undefined || usage === null ? undefined : costLines(row, usage)
  const sum = lines?.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)
  return {
    ...read,
    cost: {
      // A row may have been changed since under the name that it had.
      lines:
        lines === undefined ||
        sum === undefined ||
        cost_usd === null ||
        Math.abs(toUsd(sum) - cost_usd) > 1e-9
          ? null
          : lines.map(({ count, kind, nanoEach, nanoPer1M, nanoUsd }) => ({
              kind,
              count,
              ...(nanoPer1M !== undefined && { usd_per_1m: toUsd(nanoPer1M) }),
              ...(nanoEach !== undefined && { usd_each: toUsd(nanoEach) }),
              usd: toUsd(nanoUsd),
            })),
      price: row === undefined ? null : sourceOf(row),
      reported_usd: reportedNanoUsd === null ? null : toUsd(reportedNanoUsd),
    },
  }
}
