/** Makes the data of a stream's events of a whole answer. A proxy that loses `alt=sse` gets all events in one array. */
export const splitAnswer = (json: unknown): ReadonlyArray<string> | undefined =>
  json === undefined ? undefined : (Array.isArray(json) ? json : [json]).map((each) => JSON.stringify(each))
