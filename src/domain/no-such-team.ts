import { nearestName } from "./nearest-name.ts"

/** Says that there is no such team, and which may have been meant. */
export const noSuchTeam = (name: string, teams: Iterable<string>): string => {
  const nearest = nearestName(name, teams)
  return nearest === undefined ? "No team has this name." : `No team has this name. Did you mean ${nearest}?`
}
