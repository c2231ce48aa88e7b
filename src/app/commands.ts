import { Command } from "effect/cli"
import { admin } from "../cli/admin.ts"
import { audit } from "../cli/audit.ts"
import { budgets } from "../cli/budgets.ts"
import { config } from "../cli/config.ts"
import { costs } from "../cli/costs.ts"
import { doctor } from "../cli/doctor.ts"
import { importCommand } from "../cli/import.ts"
import { keys } from "../cli/keys.ts"
import { loadTest } from "../cli/load-test.ts"
import { migrate } from "../cli/migrate.ts"
import { prices } from "../cli/prices.ts"
import { providers } from "../cli/providers.ts"
import { root } from "../cli/root.ts"
import { explain } from "../cli/route.ts"
import { replay } from "../cli/route-replay.ts"
import { teams } from "../cli/teams.ts"
import { Settings } from "../config/Settings.ts"
import {
  operatorAudit,
  operatorDatabase,
  operatorKeys,
  operatorLedger,
  operatorTokens,
  serve,
} from "./App.ts"

const serveCommand = Command.make("serve", {}, () => serve).pipe(
  Command.withDescription("Run the gateway; what `npm start` does"),
)

/** Only what reads the ledger opens a database. */
const route = Command.make("route").pipe(
  Command.withDescription("Routing decisions"),
  Command.withSubcommands([explain, replay.pipe(Command.provide(operatorLedger))]),
)

/** The whole command line, over the settings in `ConfigProvider`. */
export const commands = root.pipe(
  Command.withSubcommands([
    serveCommand,
    migrate.pipe(Command.provide(operatorDatabase)),
    keys.pipe(Command.provide(operatorKeys)),
    teams.pipe(Command.provide(operatorKeys)),
    budgets.pipe(Command.provide(operatorKeys)),
    admin.pipe(Command.provide(operatorTokens)),
    audit.pipe(Command.provide(operatorAudit)),
    providers.pipe(Command.provide(operatorTokens)),
    route,
    prices.pipe(Command.provide(Settings.layer)),
    costs.pipe(Command.provide(operatorLedger)),
    doctor,
    loadTest,
    config,
    importCommand,
  ]),
)
