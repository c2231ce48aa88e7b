import { Command, Flag } from "effect/cli"
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
import { layerSettings } from "../config/environment.ts"
import { Settings } from "../config/Settings.ts"
import {
  operatorAudit,
  operatorDatabase,
  operatorKeys,
  operatorLedger,
  operatorTokens,
  serve,
} from "./App.ts"

const workers = Flag.String("workers").pipe(
  Flag.withDescription(
    "Processes that serve one port: a number, or auto for one a processor; in place of WORKERS",
  ),
  Flag.optional,
)

const serveCommand = Command.make("serve", { workers }, () => serve).pipe(
  Command.withDescription("Run the gateway; also what happens without a command"),
  Command.provide(({ workers }) => layerSettings({ WORKERS: workers })),
)

/** Only what reads the ledger opens a database. */
const route = Command.make("route").pipe(
  Command.withDescription("Routing decisions"),
  Command.withSubcommands([explain, replay.pipe(Command.provide(operatorLedger))]),
)

/** The whole command line, over the settings in `ConfigProvider`. */
export const commands = root.pipe(
  Command.withHandler(() => serve),
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
  Command.provide(({ dataDir }) => layerSettings({ DATA_DIR: dataDir })),
)
